// MQTT.js in an outage: node mqttjs_outage.js URL VERSION PREFIX CA-FILE
// Publishes and receives COUNT messages of QoS 2 in one kept session, says "half" on the way, and
// prints what came as JSON.  Reconnecting is left to the library.
"use strict";
const mqtt = require("mqtt");

const COUNT = 200, WAIT_MS = 30000;
const [url, version, prefix, caFile] = process.argv.slice(2);
const options = {
  clientId: prefix, protocolVersion: Number(version), clean: false, reconnectPeriod: 100,
  ca: require("fs").readFileSync(caFile),
};
if (version === "5") options.properties = { sessionExpiryInterval: 3600 };

const client = mqtt.connect(url, options);
const came = [];
let acknowledged = 0;
setTimeout(() => { console.error(`too long: ${came.length} came`); process.exit(3); }, WAIT_MS);
client.on("error", (error) => console.error(String(error)));
client.on("message", (_topic, payload) => {
  came.push(payload.toString());
  finish();
});

function finish() {
  if (came.length < COUNT || acknowledged < COUNT) return;
  // A little longer: what comes twice comes now.
  setTimeout(() => { console.log(JSON.stringify(came)); process.exit(0); }, 300);
}

function publish(number) {
  client.publish(`${prefix}/n`, String(number), { qos: 2 }, () => {
    acknowledged += 1;
    if (acknowledged === COUNT / 2) console.log("half");
    finish();
  });
}

client.once("connect", () => client.subscribe(`${prefix}/n`, { qos: 2 }, () => {
  for (let number = 0; number < COUNT / 2; number += 1) publish(number);
  let number = COUNT / 2;
  const timer = setInterval(() => {
    publish(number);
    number += 1;
    if (number === COUNT) clearInterval(timer);
  }, 20);
}));

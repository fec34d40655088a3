// A day of MQTT.js, in a browser by browser_day.html, or on node, where it prints its report as JSON:
//     node mqttjs_day.js URL VERSION PREFIX CA-FILE
"use strict";

const WAIT_MS = 20000;

function options({ version, ca }, name, clean, will) {
  const made = {
    clientId: name, protocolVersion: Number(version), clean, reconnectPeriod: 0, ca, will,
  };
  if (version === "5") made.properties = { sessionExpiryInterval: clean ? 0 : 3600 };
  return made;
}

// A client that has connected; `next` waits for its next message.
async function connectAs(mqtt, place, name, clean = true, will = undefined) {
  const client = mqtt.connect(place.url, options(place, name, clean, will));
  const came = [], waiting = [];
  client.on("message", (topic, payload, packet) => {
    const one = { topic, text: payload.toString(), qos: packet.qos, retain: packet.retain };
    if (waiting.length) waiting.shift()(one); else came.push(one);
  });
  const connack = await new Promise((resolve, reject) => {
    client.on("connect", resolve);
    client.on("error", reject);
  });
  client.next = () => came.length ? Promise.resolve(came.shift())
    : new Promise((resolve) => waiting.push(resolve));
  client.sessionPresent = connack.sessionPresent;
  return client;
}

// `place` is {url, version, prefix, ca}, all of them texts.
async function day(mqtt, place) {
  const { prefix } = place;
  const join = (...its) => connectAs(mqtt, place, ...its);
  const report = { messages: [] };
  const device = await join(prefix);
  await device.subscribeAsync(`${prefix}/t/#`, { qos: 2 });
  for (const [qos, text] of ["zero", "one", "two"].entries()) {
    await device.publishAsync(`${prefix}/t/${qos}`, text, { qos });
    const one = await device.next();
    report.messages.push([one.topic.slice(prefix.length + 1), one.text, one.qos]);
  }
  await device.publishAsync(`${prefix}/r`, "kept", { qos: 1, retain: true });
  await device.subscribeAsync(`${prefix}/r`, { qos: 1 });
  const kept = await device.next();
  report.retained = [kept.text, kept.retain];
  await device.publishAsync(`${prefix}/r`, "", { qos: 1, retain: true });
  const removed = await device.next();
  report.removed = [removed.text === "" && !removed.retain];

  const asleep = await join(`${prefix}-s`, false);
  await asleep.subscribeAsync(`${prefix}/s`, { qos: 1 });
  await asleep.endAsync();
  for (const text of ["waited-1", "waited-2"]) {
    await device.publishAsync(`${prefix}/s`, text, { qos: 2 });
  }
  const awake = await join(`${prefix}-s`, false);
  report.session_present = [asleep.sessionPresent, awake.sessionPresent];
  report.session = [(await awake.next()).text, (await awake.next()).text];
  await awake.endAsync();

  await device.subscribeAsync(`${prefix}/w`, { qos: 1 });
  const dying = await join(`${prefix}-w`, true, { topic: `${prefix}/w`, payload: "gone", qos: 1 });
  dying.stream.destroy();
  report.will = [(await device.next()).text];
  await device.endAsync();
  return report;
}

if (typeof process !== "undefined") {
  const [url, version, prefix, caFile] = process.argv.slice(2);
  const ca = require("fs").readFileSync(caFile);
  setTimeout(() => { console.error("it took too long"); process.exit(3); }, WAIT_MS).unref();
  day(require("mqtt"), { url, version, prefix, ca }).then(
    (report) => { console.log(JSON.stringify(report)); process.exit(0); },
    (error) => { console.error(error); process.exit(2); },
  );
}

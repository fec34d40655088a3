"""The numbered statements of MQTT 3.1.1 (OASIS, 29 October 2014), in our own short words.

Who is bound: S the server, C the client, B both; or after a dash why no test can check the server.
"""

from endpoint.conformance.table import BOTH, CLIENT, SERVER

_REASONS = {
    "wild": "wildcards are supported",
    "wait": "the server meets no passing fault: where it has no room the client waits",
    "hosts": "the server connects to no other server",
    "plain": "every test that uses the packets of the standard alone rests on it",
}

_TEXT = """
1.5.3-1 B text is well-formed UTF-8, without surrogates
1.5.3-2 B text holds no U+0000
1.5.3-3 B a byte order mark in text is a character, and not taken away
2.2.2-1 B reserved flags have the value that is listed
2.2.2-2 B flags that are not valid end the connection
2.3.1-1 B SUBSCRIBE, UNSUBSCRIBE and PUBLISH above QoS 0 have a packet identifier that is not 0
2.3.1-2 C a client's new packet has an unused identifier
2.3.1-3 C a packet that a client sends again has the same identifier
2.3.1-4 S the same holds for a server's PUBLISH above QoS 0
2.3.1-5 B a PUBLISH of QoS 0 has no packet identifier
2.3.1-6 B PUBACK, PUBREC and PUBREL have the identifier of their PUBLISH
2.3.1-7 S SUBACK and UNSUBACK have the identifier of what they answer
3.1.0-1 B the first packet on a connection is CONNECT
3.1.0-2 S a second CONNECT is a protocol violation and ends the connection
3.1.2-1 S another protocol name than MQTT is not gone on with under these rules
3.1.2-2 S an unknown protocol level gets CONNACK 1 and the connection is ended
3.1.2-3 S the reserved flag of CONNECT has to be 0
3.1.2-4 S without clean session the session that is there is gone on with, or one is made
3.1.2-5 S messages of QoS 1 and 2 for a kept session whose client is away are stored
3.1.2-6 B a clean session throws the old one away, and ends with its connection
3.1.2-7 S retained messages are no part of the session and outlive it
3.1.2-8 S a will is published at the connection's end, unless DISCONNECT came
3.1.2-9 B with the will flag there are a will topic and a will message
3.1.2-10 S a will is gone once it was published or DISCONNECT came
3.1.2-11 B without the will flag will QoS and will retain are 0, and there are no will fields
3.1.2-12 S without the will flag no will is published
3.1.2-13 B without the will flag the will's QoS is 0
3.1.2-14 B a will's QoS is not 3
3.1.2-15 B without the will flag will retain is 0
3.1.2-16 S a will that is not to be retained is published as such
3.1.2-17 S a will that is to be retained is published as a retained message
3.1.2-18 B without its flag there is no user name
3.1.2-19 B with its flag there is a user name
3.1.2-20 B without its flag there is no password
3.1.2-21 B with its flag there is a password
3.1.2-22 B without a user name there is no password
3.1.2-23 C a client that is otherwise silent sends PINGREQ
3.1.2-24 S a client silent for one and a half keep alives is disconnected
3.1.3-1 B the fields of CONNECT have their fixed order
3.1.3-2 B the client identifier is the name of the session
3.1.3-3 B the client identifier is there, and the first field
3.1.3-4 B the client identifier is text
3.1.3-5 S 1 to 23 letters and digits make a client identifier that is accepted
3.1.3-6 S an empty client identifier gets a unique one
3.1.3-7 C a client without an identifier asks for a clean session
3.1.3-8 S an empty client identifier without clean session gets CONNACK 2 and the end
3.1.3-9 S a client identifier that is rejected gets CONNACK 2 and the end
3.1.3-10 B the will's topic is text
3.1.3-11 B the user name is text
3.1.4-1 S a CONNECT that is not as it should be ends the connection, without CONNACK
3.1.4-2 S an older connection of the same client identifier is ended
3.1.4-3 S the clean session flag is obeyed
3.1.4-4 S a good CONNECT is answered by CONNACK 0
3.1.4-5 S what follows a rejected CONNECT is not processed
3.2.0-1 S the first packet of the server is CONNACK
3.2.2-1 S to a clean session no session is present
3.2.2-2 S without clean session, session present tells whether there was one
3.2.2-3 S where there was none, session present is 0
3.2.2-4 S a CONNACK that rejects says that no session is present
3.2.2-5 S a CONNACK that rejects ends the connection
3.2.2-6 S where no return code applies the connection is ended without CONNACK
3.3.1-1 B a PUBLISH that is sent again has DUP
3.3.1-2 B QoS 0 has no DUP
3.3.1-3 B DUP that came in says nothing of DUP that goes out
3.3.1-4 B QoS is never 3; it ends the connection
3.3.1-5 S a retained message is stored with its QoS
3.3.1-6 S a new subscription gets the last retained message of each topic that matches
3.3.1-7 S a retained message of QoS 0 replaces the one before too
3.3.1-8 S what a new subscription gets has RETAIN
3.3.1-9 S what an old subscription gets has none, however it came in
3.3.1-10 S an empty retained message is passed on and removes the one before
3.3.1-11 S an empty message is not retained
3.3.1-12 S a message without RETAIN neither stores nor removes one
3.3.2-1 B the topic is the first field of PUBLISH, and text
3.3.2-2 B a topic holds no wildcards
3.3.2-3 S a message's topic matches the subscription's filter
3.3.4-1 B a PUBLISH is answered as its QoS asks for
3.3.5-1 S where subscriptions overlap the highest of their QoS counts
3.3.5-2 S a PUBLISH that is not allowed is acknowledged as usual, or ends the connection
3.6.1-1 S the flags of PUBREL are 0010; others end the connection
3.8.1-1 S the flags of SUBSCRIBE are 0010; others end the connection
3.8.3-1 B topic filters are text
3.8.3-2 -wild a server without wildcards rejects filters that hold some
3.8.3-3 B SUBSCRIBE has at least one filter
3.8.3-4 S reserved bits beside the QoS are 0 and the QoS is not 3
3.8.4-1 S SUBSCRIBE is answered by SUBACK
3.8.4-2 S SUBACK has the identifier of its SUBSCRIBE
3.8.4-3 S the same filter again replaces the subscription, sends retained messages, loses nothing
3.8.4-4 S many filters in one SUBSCRIBE are as many SUBSCRIBEs with one answer
3.8.4-5 S SUBACK has a return code for each filter
3.8.4-6 S it is the QoS that was granted, or a failure
3.9.3-1 S return codes are in the order of the filters
3.9.3-2 S they are 0, 1, 2 or 0x80
3.10.1-1 S the flags of UNSUBSCRIBE are 0010; others end the connection
3.10.3-1 B filters in UNSUBSCRIBE are text
3.10.3-2 B UNSUBSCRIBE has at least one filter
3.10.4-1 S filters are compared character by character, and what is equal is deleted
3.10.4-2 S nothing new is added for the filter
3.10.4-3 S QoS 1 and 2 that were begun are completed
3.10.4-4 S UNSUBSCRIBE is answered by UNSUBACK with its identifier
3.10.4-5 S the answer comes even where nothing was deleted
3.10.4-6 S many filters in one UNSUBSCRIBE are as many UNSUBSCRIBEs with one answer
3.12.4-1 S PINGREQ is answered by PINGRESP
3.14.1-1 S the flags of DISCONNECT are 0; others end the connection
3.14.4-1 C a client ends the connection after DISCONNECT
3.14.4-2 C a client sends nothing after DISCONNECT
3.14.4-3 S DISCONNECT throws the will away
4.1.0-1 B a session's state is stored as long as the session lasts
4.1.0-2 B a session lasts as long as its connection at least
4.3.1-1 B QoS 0 goes out with DUP 0
4.3.2-1 B QoS 1 out: unused identifier, DUP 0, unacknowledged until PUBACK
4.3.2-2 B QoS 1 in: PUBACK with the identifier, which then stands for a new message
4.3.3-1 B QoS 2 out: PUBLISH until PUBREC, PUBREL until PUBCOMP, never PUBLISH again after PUBREL
4.3.3-2 B QoS 2 in: until PUBREL a repeated PUBLISH gets PUBREC and is not delivered again
4.4.0-1 B PUBLISH and PUBREL are sent again with their identifiers at a reconnect
4.5.0-1 S a message taken over is added to the sessions whose subscriptions match
4.5.0-2 C a client acknowledges whatever comes
4.6.0-1 B what is sent again goes in the first order
4.6.0-2 B PUBACKs are in the order of the PUBLISHes
4.6.0-3 B PUBRECs are in the order of the PUBLISHes
4.6.0-4 B PUBRELs are in the order of the PUBRECs
4.6.0-5 S every topic keeps its order
4.6.0-6 S messages of one client, topic and QoS go out in the order in which they came
4.7.1-1 B wildcards are for filters, not for topics
4.7.1-2 B # stands alone or behind /, and last
4.7.1-3 B + takes a whole level
4.7.2-1 S a wildcard in front does not match topics that begin with $
4.7.3-1 B topics and filters have at least one character
4.7.3-2 B topics and filters hold no U+0000
4.7.3-3 B topics and filters have at most 65,535 bytes
4.7.3-4 S nothing is normalised or replaced in matching
4.8.0-1 B a protocol violation ends the connection
4.8.0-2 -wait a passing fault while a packet is processed ends the connection
6.0.0-1 B packets are in binary frames; another frame ends the connection
6.0.0-2 B packets need not be aligned with frames
6.0.0-3 C a client offers the subprotocol mqtt
6.0.0-4 S the subprotocol that is chosen is mqtt
7.0.0-1 -hosts a server that connects to others keeps the client's part too
7.0.0-2 -plain no extension is needed to work with others
7.1.1-1 S a server supports a transport that keeps order and loses nothing
7.1.2-1 C a client supports a transport that keeps order and loses nothing
"""

_WHO = {"S": SERVER, "C": CLIENT, "B": BOTH}


def _read(line: str) -> tuple[str, str, str]:
    number, who, text = line.split(" ", 2)
    return f"MQTT-{number}", text, _WHO.get(who) or _REASONS[who.removeprefix("-")]


STATEMENTS = [_read(line) for line in _TEXT.strip().splitlines()]

"""The numbered statements of MQTT 5.0 (OASIS standard of 7 March 2019), in our own short words.

Who is bound: S the server, C the client, B both; or after a dash why no test can check the server.
"""

from endpoint.conformance.table import BOTH, CLIENT, SERVER

_REASONS = {
    "user": "the server sends no user properties of its own",
    "all": "every QoS and retained messages are supported",
    "auth": "the server knows no authentication method, so it sends no AUTH",
    "one": "overlapping subscriptions get one copy, with all identifiers",
}

_TEXT = """
1.5.4-1 B text is well-formed UTF-8, without surrogates
1.5.4-2 B text holds no U+0000
1.5.4-3 B a byte order mark in text is a character, and not taken away
1.5.5-1 B a variable byte integer takes as few bytes as it can
1.5.7-1 B both halves of a string pair are well-formed text
2.1.3-1 B reserved flags have the value that is listed
2.2.1-2 B a PUBLISH of QoS 0 has no packet identifier
2.2.1-3 C a client's new packet has an unused identifier that is not 0
2.2.1-4 S a server's new PUBLISH has an unused identifier that is not 0
2.2.1-5 B an acknowledgement has the identifier of its PUBLISH
2.2.1-6 S SUBACK and UNSUBACK have the identifier of what they answer
2.2.2-1 B without properties there is a property length of 0
3.1.0-1 B the first packet on a connection is CONNECT
3.1.0-2 S a second CONNECT is a protocol error and ends the connection
3.1.2-1 S with another protocol name than MQTT the connection is ended
3.1.2-2 S with an unknown version the connection is ended, at most after a CONNACK 0x84
3.1.2-3 S the reserved flag of CONNECT has to be 0
3.1.2-4 B a clean start throws the old session away
3.1.2-5 S without clean start the session that is there is gone on with
3.1.2-6 S without clean start and without a session a new one is made
3.1.2-7 S a will is kept with the session
3.1.2-8 S a will is published at its delay's or the session's end, unless withdrawn
3.1.2-9 B with the will flag there are will properties, topic and payload
3.1.2-10 S a will is gone once it was published or withdrawn by DISCONNECT 0x00
3.1.2-11 B without the will flag the will's QoS is 0
3.1.2-12 B a will's QoS is 0, 1 or 2; 3 is malformed
3.1.2-13 B without the will flag will retain is 0
3.1.2-14 S a will that is not to be retained is published as such
3.1.2-15 S a will that is to be retained is published as a retained message
3.1.2-16 B without its flag there is no user name
3.1.2-17 B with its flag there is a user name
3.1.2-18 B without its flag there is no password
3.1.2-19 B with its flag there is a password
3.1.2-20 C a client that is otherwise silent sends PINGREQ
3.1.2-21 C a client takes over the server's keep alive
3.1.2-22 S a client silent for one and a half keep alives is disconnected
3.1.2-23 B a session with an expiry interval is kept after its connection
3.1.2-24 S no packet sent is larger than the client's maximum packet size
3.1.2-25 S a message too large to be sent counts as if it had been sent
3.1.2-26 S no topic alias sent is above the client's topic alias maximum
3.1.2-27 S without a topic alias maximum no aliases are sent
3.1.2-28 S response information is not sent to who asks for none
3.1.2-29 S reason strings go in acknowledgements only to who did not decline them
3.1.2-30 C a client that authenticates sends only AUTH and DISCONNECT before CONNACK
3.1.3-1 B the fields of CONNECT have their fixed order
3.1.3-2 B the client identifier is the name of the session
3.1.3-3 B the client identifier is there, and the first field
3.1.3-4 B the client identifier is text
3.1.3-5 S 1 to 23 letters and digits make a client identifier that is accepted
3.1.3-6 S an empty client identifier gets a unique one
3.1.3-7 S the one that was assigned is returned and used as if it had been given
3.1.3-8 S with a client identifier that is rejected the connection is ended
3.1.3-9 S a will is not sent where its client is back before the delay is over
3.1.3-10 S user properties of a will keep their order
3.1.3-11 B the will's topic is text
3.1.3-12 B the user name is text
3.1.4-1 S a CONNECT that is not as it should be ends the connection
3.1.4-2 S a CONNECT that fails further checks ends the connection
3.1.4-3 S an older connection of the same client identifier is told 0x8E and ended
3.1.4-4 S the clean start flag is obeyed
3.1.4-5 S a good CONNECT is answered by CONNACK 0x00
3.1.4-6 S what follows a rejected CONNECT is not processed
3.2.0-1 S CONNACK comes before any other packet of the server
3.2.0-2 S there is one CONNACK in a connection
3.2.2-1 S the reserved flags of CONNACK are 0
3.2.2-2 S after a clean start no session is present
3.2.2-3 S session present tells whether there was a session
3.2.2-4 C a client without a session leaves where one is present
3.2.2-5 C a client with a session forgets it where none is present
3.2.2-6 S a CONNACK that rejects says that no session is present
3.2.2-7 S a CONNACK that rejects ends the connection
3.2.2-8 S CONNACK has one of its reason codes
3.2.2-9 -all a server without QoS 1 or 2 tells its maximum QoS
3.2.2-10 -all a server without QoS 1 or 2 still takes subscriptions of QoS 0, 1 and 2
3.2.2-11 C a client keeps to the maximum QoS
3.2.2-12 -all a will whose QoS is not supported is rejected
3.2.2-13 -all a retained will is rejected where retaining is not supported
3.2.2-14 C a client does not retain where that is not available
3.2.2-15 C a client sends no packet larger than the server's maximum
3.2.2-16 S an assigned client identifier is that of no other session
3.2.2-17 C a client uses no alias above the server's maximum
3.2.2-18 C a client uses no alias where the server names no maximum
3.2.2-19 S no reason string that makes CONNACK larger than the client takes
3.2.2-20 -user no user properties that make CONNACK larger than the client takes
3.2.2-21 C a client uses the server's keep alive
3.2.2-22 S without a server keep alive the client's counts
3.3.1-1 B a PUBLISH that is sent again has DUP
3.3.1-2 B QoS 0 has no DUP
3.3.1-3 B DUP that came in says nothing of DUP that goes out
3.3.1-4 B QoS is never 3
3.3.1-5 S a retained message replaces the one before
3.3.1-6 S an empty retained message removes the one before
3.3.1-7 S an empty message is not retained
3.3.1-8 S a message without RETAIN neither stores nor removes one
3.3.1-9 S with retain handling 0 a subscription gets the retained messages
3.3.1-10 S with retain handling 1 only a new subscription gets them
3.3.1-11 S with retain handling 2 none does
3.3.1-12 S without retain as published RETAIN goes out as 0
3.3.1-13 S with retain as published RETAIN goes out as it came
3.3.2-1 B the topic is the first field of PUBLISH, and text
3.3.2-2 B a topic holds no wildcards
3.3.2-3 S a message's topic matches the subscription's filter
3.3.2-4 S the payload format indicator is passed on unaltered
3.3.2-5 S a copy whose expiry has passed before its delivery began is deleted
3.3.2-6 S a message's expiry goes out less the time it waited
3.3.2-7 B topic aliases end with their connection
3.3.2-8 B no topic alias is 0
3.3.2-9 C a client's alias is not above the server's maximum
3.3.2-10 C a client takes every alias up to its own maximum
3.3.2-11 S a server's alias is not above the client's maximum
3.3.2-12 S every alias up to the server's maximum is taken
3.3.2-13 B the response topic is text
3.3.2-14 B the response topic holds no wildcards
3.3.2-15 S the response topic is passed on unaltered
3.3.2-16 S correlation data are passed on unaltered
3.3.2-17 S user properties are passed on unaltered
3.3.2-18 S user properties keep their order
3.3.2-19 B the content type is text
3.3.2-20 S the content type is passed on unaltered
3.3.4-1 B a PUBLISH is answered as its QoS asks for
3.3.4-2 S where subscriptions overlap the highest of their QoS counts
3.3.4-3 S subscription identifiers of overlapping subscriptions are sent
3.3.4-4 S one copy for all subscriptions has the identifiers of all
3.3.4-5 -one a copy for each subscription has the identifier of each
3.3.4-6 C a client's PUBLISH has no subscription identifier
3.3.4-7 C a client keeps to the server's receive maximum
3.3.4-8 C a client delays only PUBLISH at the receive maximum
3.3.4-9 S the client's receive maximum is kept to
3.3.4-10 S only PUBLISH is delayed at the receive maximum
3.4.2-1 B PUBACK has one of its reason codes
3.4.2-2 B no reason string that makes PUBACK larger than the receiver takes
3.4.2-3 -user no user properties that make PUBACK larger than the receiver takes
3.5.2-1 B PUBREC has one of its reason codes
3.5.2-2 B no reason string that makes PUBREC larger than the receiver takes
3.5.2-3 -user no user properties that make PUBREC larger than the receiver takes
3.6.1-1 S the flags of PUBREL are 0010; others end the connection
3.6.2-1 B PUBREL has one of its reason codes
3.6.2-2 B no reason string that makes PUBREL larger than the receiver takes
3.6.2-3 -user no user properties that make PUBREL larger than the receiver takes
3.7.2-1 B PUBCOMP has one of its reason codes
3.7.2-2 B no reason string that makes PUBCOMP larger than the receiver takes
3.7.2-3 -user no user properties that make PUBCOMP larger than the receiver takes
3.8.1-1 S the flags of SUBSCRIBE are 0010; others end the connection
3.8.3-1 B topic filters are text
3.8.3-2 B SUBSCRIBE has at least one filter
3.8.3-3 S with no local nothing comes back to the client that published it
3.8.3-4 B no local on a shared subscription is a protocol error
3.8.3-5 S reserved bits of the subscription options have to be 0
3.8.4-1 S SUBSCRIBE is answered by SUBACK
3.8.4-2 S SUBACK has the identifier of its SUBSCRIBE
3.8.4-3 S the same filter again replaces the subscription
3.8.4-4 S replacing sends retained messages again, by retain handling, and loses nothing
3.8.4-5 S many filters in one SUBSCRIBE are as many SUBSCRIBEs with one answer
3.8.4-6 S SUBACK has a reason code for each filter
3.8.4-7 S it is the QoS that was granted, or a failure
3.8.4-8 S a message goes out with the lower of its own and the granted QoS
3.9.2-1 S no reason string that makes SUBACK larger than the client takes
3.9.2-2 -user no user properties that make SUBACK larger than the client takes
3.9.3-1 S reason codes in SUBACK are in the order of the filters
3.9.3-2 S they are reason codes of SUBACK
3.10.1-1 S the flags of UNSUBSCRIBE are 0010; others end the connection
3.10.3-1 B filters in UNSUBSCRIBE are text
3.10.3-2 B UNSUBSCRIBE has at least one filter
3.10.4-1 S filters are compared character by character, and what is equal is deleted
3.10.4-2 S nothing new is added for the filter
3.10.4-3 S QoS 1 and 2 that were begun are completed
3.10.4-4 S UNSUBSCRIBE is answered by UNSUBACK
3.10.4-5 S it has the same identifier, and comes even where nothing was deleted
3.10.4-6 S many filters in one UNSUBSCRIBE are as many UNSUBSCRIBEs with one answer
3.11.2-1 S no reason string that makes UNSUBACK larger than the client takes
3.11.2-2 -user no user properties that make UNSUBACK larger than the client takes
3.11.3-1 S reason codes in UNSUBACK are in the order of the filters
3.11.3-2 S they are reason codes of UNSUBACK
3.12.4-1 S PINGREQ is answered by PINGRESP
3.14.0-1 S no DISCONNECT before a CONNACK that accepts
3.14.1-1 B the flags of DISCONNECT are 0
3.14.2-1 B DISCONNECT has one of its reason codes
3.14.2-2 S a server's DISCONNECT has no session expiry interval
3.14.2-3 B no reason string that makes DISCONNECT larger than the receiver takes
3.14.2-4 -user no user properties that make DISCONNECT larger than the receiver takes
3.14.4-1 B nothing follows DISCONNECT
3.14.4-2 B after DISCONNECT the connection is ended
3.14.4-3 S DISCONNECT 0x00 throws the will away
3.15.1-1 B the flags of AUTH are 0; others end the connection
3.15.2-1 -auth AUTH has one of its reason codes
3.15.2-2 -auth no reason string that makes AUTH larger than the receiver takes
3.15.2-3 -auth no user properties that make AUTH larger than the receiver takes
4.1.0-1 B a session lives as long as its connection at least
4.1.0-2 S a session is thrown away when its expiry has passed without a connection
4.2-1 B a transport that keeps order and loses nothing is supported
4.3.1-1 B QoS 0 goes out with DUP 0
4.3.2-1 B QoS 1: a new message has an unused identifier
4.3.2-2 B QoS 1: it goes out with DUP 0
4.3.2-3 B QoS 1: it is unacknowledged until PUBACK
4.3.2-4 B QoS 1: PUBACK has its identifier, and says that the message was taken over
4.3.2-5 B QoS 1: after PUBACK the identifier stands for a new message
4.3.3-1 B QoS 2: a new message has an unused identifier
4.3.3-2 B QoS 2: it goes out with DUP 0
4.3.3-3 B QoS 2: it is unacknowledged until PUBREC
4.3.3-4 B QoS 2: a PUBREC that accepts is answered by PUBREL with its identifier
4.3.3-5 B QoS 2: PUBREL is unacknowledged until PUBCOMP
4.3.3-6 B QoS 2: after PUBREL the PUBLISH is not sent again
4.3.3-7 B QoS 2: a PUBLISH that was sent does not expire
4.3.3-8 B QoS 2: PUBREC has its identifier, and says that the message was taken over
4.3.3-9 B QoS 2: after a PUBREC that refuses the identifier stands for a new message
4.3.3-10 B QoS 2: until PUBREL a repeated PUBLISH gets PUBREC and is not delivered again
4.3.3-11 B QoS 2: PUBREL is answered by PUBCOMP with its identifier
4.3.3-12 B QoS 2: after PUBCOMP the identifier stands for a new message
4.3.3-13 B QoS 2: acknowledging goes on even where the message has expired
4.4.0-1 B PUBLISH and PUBREL are sent again with their identifiers at a reconnect, only then
4.4.0-2 B a PUBACK or PUBREC that refuses acknowledges too
4.5.0-1 S a message taken over is added to the sessions whose subscriptions match
4.5.0-2 C a client acknowledges whatever comes
4.6.0-1 C a client sends again in the first order
4.6.0-2 C a client's PUBACKs are in the order of the PUBLISHes
4.6.0-3 C a client's PUBRECs are in the order of the PUBLISHes
4.6.0-4 C a client's PUBRELs are in the order of the PUBRECs
4.6.0-5 S messages of one client, topic and QoS go out in the order in which they came
4.6.0-6 S every topic keeps its order, save in shared subscriptions
4.7.0-1 B wildcards are for filters, not for topics
4.7.1-1 B # stands alone or behind /, and last
4.7.1-2 B + takes a whole level
4.7.2-1 S a wildcard in front does not match topics that begin with $
4.7.3-1 B topics and filters have at least one character
4.7.3-2 B topics and filters hold no U+0000
4.7.3-3 B topics and filters have at most 65,535 bytes
4.7.3-4 S nothing is normalised or replaced in matching
4.8.2-1 B a shared filter begins with $share/ and a name
4.8.2-2 B the name holds no /, + or #, and / and a filter follow it
4.8.2-3 S a shared subscription's granted QoS counts
4.8.2-4 S QoS 2 that was begun is completed with the same client when it is back
4.8.2-5 S where that session ends first nobody else gets the message
4.8.2-6 S a message that was refused goes to nobody else
4.9.0-1 B the first send quota is not 0, and not above the receive maximum
4.9.0-2 B with no quota left no PUBLISH of QoS 1 or 2 is sent
4.9.0-3 B with no quota left all other packets are dealt with
4.12.0-1 S with a method that is not supported the connection is ended
4.12.0-2 -auth AUTH of the server says 0x18
4.12.0-3 C AUTH of the client says 0x18
4.12.0-4 S rejecting an authentication ends the connection
4.12.0-5 -auth AUTH and CONNACK name the method of the CONNECT
4.12.0-6 S to a CONNECT without a method neither AUTH nor a method comes
4.12.0-7 C without a method in CONNECT a client sends no AUTH
4.12.1-1 C a client that authenticates again names the same method
4.12.1-2 -auth an authentication again that fails is told by DISCONNECT
4.13.1-1 S a malformed packet or a protocol error ends the connection
4.13.2-1 B a reason code from 0x80 on in CONNACK or DISCONNECT ends the connection
6.0.0-1 B packets are in binary frames; another frame ends the connection
6.0.0-2 B packets need not be aligned with frames
6.0.0-3 C a client offers the subprotocol mqtt
6.0.0-4 S the subprotocol that is chosen is mqtt
"""

_WHO = {"S": SERVER, "C": CLIENT, "B": BOTH}


def _read(line: str) -> tuple[str, str, str]:
    number, who, text = line.split(" ", 2)
    return f"MQTT-{number}", text, _WHO.get(who) or _REASONS[who.removeprefix("-")]


STATEMENTS = [_read(line) for line in _TEXT.strip().splitlines()]

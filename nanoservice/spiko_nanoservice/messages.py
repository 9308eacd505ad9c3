"""The messages that a eureka sends and receives: JSON objects with their kind under `t`.

| from | to | kinds |
|---|---|---|
| client | eureka | proof: the answer to the challenge, the first message of every session |
| eureka | client | challenge, admitted |
| pod | eureka | hello, ack, report, bye |
| eureka | pod | welcome, config, slot, table, delta, left, crash |
| eureka | eureka | peer, entries, changes, config; each eureka reports over the connection that it opened |
| operator | eureka | config, follow, unfollow, crash, pods |
| eureka | operator | eureka, which introduces it; programmed, health, holders, hurt, crashed, pods |
| command line | eureka | seconds, edges, totals: what to send |
| eureka | command line | eureka; second, every second after `seconds`; edges, totals |
| eureka | any of them | refused: why the eureka closes the connection |
"""

from __future__ import annotations

from typing import Any, Final

Message = dict[str, Any]

CHALLENGE: Final = "challenge"
PROOF: Final = "proof"
ADMITTED: Final = "admitted"
HELLO: Final = "hello"
ACK: Final = "ack"
REPORT: Final = "report"
BYE: Final = "bye"
WELCOME: Final = "welcome"
CONFIG: Final = "config"
SLOT: Final = "slot"
TABLE: Final = "table"
DELTA: Final = "delta"
LEFT: Final = "left"
PEER: Final = "peer"
ENTRIES: Final = "entries"
CHANGES: Final = "changes"
EUREKA: Final = "eureka"
FOLLOW: Final = "follow"
UNFOLLOW: Final = "unfollow"
PROGRAMMED: Final = "programmed"
HEALTH: Final = "health"
SECOND: Final = "second"
SECONDS: Final = "seconds"
EDGES: Final = "edges"
TOTALS: Final = "totals"
HOLDERS: Final = "holders"
HURT: Final = "hurt"
PODS: Final = "pods"
CRASH: Final = "crash"
CRASHED: Final = "crashed"
REFUSED: Final = "refused"

//! Names, ways, and two servers that answer to a word. What is looked up outside is named, so that the operator's list can
//! say which names may be: a name can carry a message.

pub(super) const RULES: &[&str] = &[
    // Neither another server (@) nor a file of questions (-f) nor a key.
    "dig
  .: -4, -6, -t RECORD, -x HOST, -q HOST | DIG*",
    "nslookup
  .: -type ?RECORD, -query ?RECORD, -q ?RECORD | HOST",
    "host
  .: -t RECORD, -a, -v, -4, -6, -W NUM | HOST",
    "getent
  hosts: | HOST+
  ahosts: | HOST+
  ahostsv4: | HOST+
  services: | REF*
  protocols: | NAME*
  networks: | NAME*
  passwd: | NAME+
  group: | NAME+",
    "traceroute
  .: -4, -6, -n, -m NUM, -w NUM, -q NUM, -f NUM, -I, -T, -U, -p NUM | HOST",
    "tracepath
  .: -4, -6, -n, -b, -m NUM, -p NUM | HOST",
    "ping
  .: !-c NUM, -4, -6, -n, -q, -W NUM, -w NUM, -O, -D | HOST",
    "pg_isready
  .: -h --host HOST, -p --port NUM, -d --dbname NAME, -U --username NAME, -t --timeout NUM, -q --quiet",
    // Of the statistics only; a backslash would start programs.
    "psql
  .: !-c --command SQL, -h --host HOST, -p --port NUM, -d --dbname NAME, -U --username NAME, -X --no-psqlrc, -A --no-align, -t --tuples-only,
    -x --expanded, -w --no-password, -q --quiet",
    // No other word to the server, no password in the call, nothing that repeats or never ends.
    "redis-cli
  @server = -h HOST, -p NUM, -n NUM, --no-auth-warning, --raw, --no-raw, --csv, --json
  before: @server
  PING:
  ping:
  INFO: | NAME*
  info: | NAME*
  DBSIZE:
  dbsize:
  ROLE:
  role:
  TIME:
  LASTSAVE:
  lastsave:
  CLIENT LIST:
  client list:
  SLOWLOG GET: | NUM?
  slowlog get: | NUM?
  SLOWLOG LEN:
  slowlog len:
  MEMORY STATS:
  memory stats:
  MEMORY DOCTOR:
  memory doctor:
  LATENCY LATEST:
  latency latest:
  LATENCY DOCTOR:
  latency doctor:
  CLUSTER INFO:
  cluster info:
  CLUSTER NODES:
  cluster nodes:",
];

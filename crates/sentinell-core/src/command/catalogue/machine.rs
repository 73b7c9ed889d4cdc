//! The machine: figures, processes, sockets, the journal, units.

pub(super) const RULES: &[&str] = &[
    // Without --sync, which writes.
    "df
  .: -a --all, -B --block-size NUM, -h --human-readable, -H --si, -i --inodes, -k, -l --local, -P --portability, --total, -T --print-type,
    -t --type NAME, -x --exclude-type NAME, --output ?LIST | PLACE*",
    // Without -s, which never ends.
    "free
  .: -b --bytes, -k --kibi, -m --mebi, -g --gibi, --mega, --giga, -h --human, --si, -l --lohi, -t --total, -w --wide, -v --committed",
    "uptime
  .: -p --pretty, -s --since",
    // What `ps` cannot read as UNIX options it reads again as BSD ones, dashes or not, and there an e shows environments:
    // `ps -e -u x`, where nobody is called x. So no value that can fail or could be such letters goes with short options.
    "ps
  @common = -o --format COLUMNS, --sort SORT, --forest, --no-headers, -ww, -w, --cols NUM
  .: @common, -e, -A, -a, -f, -F, -l, -j, -L, -H, -T, -p --pid PIDS, --ppid PIDS, --user NAME
  .: @common | BSD",
    // Without -K, which closes, -D and -F, which name files, -E, which never ends, and -N.
    "ss
  .: -n --numeric, -r --resolve, -a --all, -l --listening, -o --options, -e --extended, -m --memory, -p --processes, -i --info,
    -s --summary, -4 --ipv4, -6 --ipv6, -t --tcp, -u --udp, -w --raw, -x --unix, -H --no-header, -O --oneline, -f --family NAME,
    -A --query LIST | SOCKETS*",
    // Every other verb changes something, and `ip` takes any beginning of one.
    "ip
  before: -4, -6, -s, -d, -o, -br, -brief, -j, -json, -p
  address/addr/a/link/l/neighbour/neigh/n/route/ro/r/rule:
  address/addr/a/link/l show/list/ls: | NAME?
  address/addr/a/link/l/neighbour/neigh/n/route/ro/r show/list/ls: | dev NAME
  neighbour/neigh/n/route/ro/r/rule show/list/ls:
  route/ro/r show/list/ls: | table NAME
  route/ro/r get: | SOCKETS",
    "vmstat
  .: -a --active, -s --stats, -d --disk, -D --disk-sum, -f --forks, -m --slabs, -n --one-header, -t --timestamp, -w --wide, -S --unit NAME
  .: -a --active, -d --disk, -n --one-header, -t --timestamp, -w --wide, -S --unit NAME, -y --no-first | NUM NUM",
    "iostat
  .: -c, -d, -h, --human, -k, -m, -N, -s, -t, -x, -y, -z, -p DEVICE | DEVICE*
  .: -c, -d, -h, --human, -k, -m, -N, -s, -t, -x, -y, -z, -p DEVICE | NUM NUM",
    "mpstat
  .: -A, -u, -n, -N LIST, -P LIST, -I LIST
  .: -A, -u, -n, -N LIST, -P LIST, -I LIST | NUM NUM",
    "pidstat
  .: -d, -h, -H, -I, -l, -r, -R, -s, -t, -u, -U, -v, -w, -C NAME, -p LIST
  .: -d, -h, -H, -I, -l, -r, -R, -s, -t, -u, -U, -v, -w, -C NAME, -p LIST | NUM NUM",
    // -o writes a file, -f reads one.
    "sar
  .: -A, -b, -B, -d, -F, -h, -H, -n LIST, -P LIST, -p, -q, -r, -S, -u, -v, -w, -W, -y, -s TIME, -e TIME
  .: -A, -b, -B, -d, -F, -h, -H, -n LIST, -P LIST, -p, -q, -r, -S, -u, -v, -w, -W, -y | NUM NUM",
    // -c, -C and -n change the kernel's buffer or console, -w never ends.
    "dmesg
  .: -T --ctime, -t --notime, -e --reltime, -d --show-delta, -H --human, -P --nopager, -k --kernel, -u --userspace, -x --decode,
    -l --level LIST, -f --facility LIST, -L --color ?NAME, --time-format NAME, --since TIME, --until TIME",
    // A name as an operand is set.
    "hostname
  .: -s --short, -f --fqdn --long, -d --domain, -i --ip-address, -I --all-ip-addresses, -A --all-fqdns, -y --yp",
    "uname
  .: -a --all, -s --kernel-name, -n --nodename, -r --kernel-release, -v --kernel-version, -m --machine, -p, -i, -o --operating-system",
    "nproc
  .: --all",
    "lscpu
  .: -a --all, -e --extended ?LIST, -J --json, -p --parse ?LIST",
    "lsblk
  .: -a --all, -b --bytes, -d --nodeps, -f --fs, -i --ascii, -J --json, -l --list, -m --perms, -n --noheadings, -o --output LIST, -O, -p --paths,
    -r --raw, -S --scsi, -t --topology | PLACE*",
    "findmnt
  .: -a --ascii, -b --bytes, -D --df, -i --invert, -J --json, -l --list, -n --noheadings, -o --output LIST, -r --raw, -R --submounts,
    -t --types LIST | PLACE*",
    "lsmod
  .:",
    "w
  .: -h --no-header, -s --short, -f --from, -i --ip-addr, -o --old-style",
    "who
  .: -a --all, -b --boot, -H --heading, -q --count, -r --runlevel, -u --users",
    "date
  .: -u --utc --universal, -R --rfc-email, -I ?NAME, --rfc-3339 NAME",
    // -w, -p and a name with a value write.
    "sysctl
  .: -n --values, -N --names, -e --ignore | NAME+",
    "top
  .: !-b, !-n NUM, -c, -H, -i, -o SORT, -p LIST, -u NAME, -w NUM, -1",
    // -c never ends, and there is no other way to write.
    "netstat
  .: -a --all, -e --extend, -g --groups, -i --interfaces, -l --listening, -n --numeric, -o --timers, -p --programs --program, -r --route,
    -s --statistics, -t --tcp, -u --udp, -W --wide, -x --unix, -4, -6",
    // Without what writes (--vacuum, --rotate, --flush, --cursor-file, keys, the catalogue), never ends (-f) or reads elsewhere.
    "journalctl
  .: -u --unit UNIT, --user-unit UNIT, -t --identifier NAME, -p --priority REF, -n --lines NUM, -S --since TIME, -U --until TIME, -b --boot ?NAME,
    -k --dmesg, -o --output short/short-iso/short-iso-precise/short-precise/short-full/short-monotonic/short-unix/verbose/json/cat/with-unit,
    -r --reverse, -e --pager-end, -g --grep TEXT, --case-sensitive ?true/false, -a --all, -l --full, --no-full, --no-hostname, --utc, -q --quiet,
    -x --catalog, --no-pager, --system, -F --field NAME, --facility LIST, --list-boots, --disk-usage, -N --fields | MATCH*",
    "systemctl
  @show = --no-pager, -l --full, --plain, --no-legend, -q --quiet, -a --all, --system, --user
  before: @show
  .: @show, !--failed, -t --type LIST
  status: @show, -n --lines NUM, -o --output short/short-iso/json/cat | UNIT*
  is-active: @show | UNIT+
  is-failed: @show | UNIT*
  is-enabled: @show | UNIT+
  is-system-running: @show
  get-default: @show
  list-units: @show, --failed, --state LIST, -t --type LIST | UNIT*
  list-unit-files: @show, --state LIST, -t --type LIST | UNIT*
  list-timers: @show | UNIT*
  list-sockets: @show | UNIT*
  list-jobs: @show
  list-dependencies: @show, --reverse, --before, --after | UNIT?
  show: @show, !-p --property PROPERTIES, --value | UNIT*",
];

//! Clusters and containers. No file is read or written by an option, no other server, identity or context named, no Secret,
//! and of a container neither environment nor arguments.

pub(super) const RULES: &[&str] = &[
    // Without -f and -k (files), --raw, -w (never ends), -v (prints what was sent), and whoever else one could be.
    "kubectl
  @all = -n --namespace NAME, --request-timeout NUM
  @which = -A --all-namespaces, -l --selector SEL, --field-selector SEL, --chunk-size NUM
  before: @all
  get: @all, @which, -o --output OUT, --no-headers, --show-labels, --show-kind, --sort-by EXPR, -L --label-columns SEL, --ignore-not-found,
    --show-managed-fields, --server-print | KIND KINDREF*
  get: @all, @which, -o --output OUT, --no-headers, --show-labels, --sort-by EXPR | OBJECT+
  describe: @all, @which, --show-events | KIND KINDREF*
  describe: @all, @which, --show-events | OBJECT+
  logs: @all, -c --container NAME, -p --previous, --tail NUM, --since NUM, --since-time TIME, --timestamps, --prefix, --all-containers, --all-pods,
    --limit-bytes NUM, -l --selector SEL, --max-log-requests NUM, --ignore-errors | KINDREF? NAME?
  events: @all, -A --all-namespaces, --for OBJECT, --types LIST, -o --output OUT, --no-headers
  top pods: @all, @which, --containers, --no-headers, --sort-by NAME, --sum, --use-protocol-buffers | NAME*
  top pod: @all, @which, --containers, --no-headers, --sort-by NAME, --sum, --use-protocol-buffers | NAME*
  top nodes: @all, -l --selector SEL, --no-headers, --sort-by NAME, --use-protocol-buffers | NAME*
  top node: @all, -l --selector SEL, --no-headers, --sort-by NAME, --use-protocol-buffers | NAME*
  explain: @all, --recursive, --api-version REF, --output NAME | KIND
  api-resources: @all, --namespaced, --api-group NAME, --verbs LIST, -o --output wide/name, --no-headers, --sort-by NAME, --categories LIST
  api-versions: @all
  version: @all, --client, --short, -o --output json/yaml
  cluster-info: @all
  rollout status: @all, --timeout NUM, --revision NUM, -w --watch ?true/false | KINDREF NAME?
  rollout history: @all, --revision NUM, -o --output OUT | KINDREF NAME?
  auth can-i: @all, -A --all-namespaces, -q --quiet, --list, --no-headers, --subresource NAME | NAME? REF? NAME?
  auth whoami: @all, -o --output json/yaml
  config get-contexts: --no-headers, -o --output name | NAME?
  config current-context:
  config get-clusters:",
    // `docker inspect` shows the environment unless it is asked for something else, `docker history` that of the build.
    "docker
  @list = -a --all, -q --quiet, --no-trunc, -f --filter SEL, --format TEXT
  @log = -n --tail NUM, --since TIME, --until TIME, -t --timestamps, --details
  ps: @list, -n --last NUM, -l --latest, -s --size
  container ls: @list, -n --last NUM, -l --latest, -s --size
  container list: @list, -n --last NUM, -l --latest, -s --size
  container ps: @list, -n --last NUM, -l --latest, -s --size
  logs: @log | NAME
  container logs: @log | NAME
  stats: !--no-stream, -a --all, --no-trunc, --format TEXT | NAME*
  container stats: !--no-stream, -a --all, --no-trunc, --format TEXT | NAME*
  top: | NAME
  container top: | NAME
  port: | NAME REF?
  container port: | NAME REF?
  diff: | NAME
  container diff: | NAME
  inspect: !-f --format INSPECTED, -s --size, --type NAME | REF+
  container inspect: !-f --format INSPECTED, -s --size | REF+
  image inspect: !-f --format INSPECTED | REF+
  images: @list, --digests, --tree | REF?
  image ls: @list, --digests, --tree | REF?
  image list: @list, --digests, --tree | REF?
  events: !--until TIME, --since TIME, -f --filter SEL, --format TEXT
  system events: !--until TIME, --since TIME, -f --filter SEL, --format TEXT
  system df: -v --verbose, --format TEXT
  system info: -f --format TEXT
  info: -f --format TEXT
  version: -f --format TEXT
  network ls: @list
  network list: @list
  network inspect: -f --format TEXT, -v --verbose | REF+
  volume ls: @list
  volume list: @list
  volume inspect: !-f --format INSPECTED | REF+
  node ls: @list
  node list: @list
  node ps: @list, --no-resolve | NAME*
  node inspect: -f --format TEXT, --pretty | REF+
  service ls: @list
  service list: @list
  service ps: @list, --no-resolve | NAME+
  service logs: @log, --no-trunc, --no-resolve, --no-task-ids, --raw | NAME
  stack ls: --format TEXT
  stack list: --format TEXT
  stack ps: @list, --no-resolve | NAME
  stack services: @list | NAME
  plugin ls: @list
  plugin list: @list
  secret ls: @list
  secret list: @list
  secret inspect: -f --format TEXT, --pretty | REF+
  config ls: @list
  config list: @list
  context ls: -q --quiet, --format TEXT
  context list: -q --quiet, --format TEXT
  context show:
  compose ls: -a --all, -q --quiet, --filter SEL, --format NAME
  compose ps: -a --all, -q --quiet, --services, --status NAME, --filter SEL, --format TEXT, --no-trunc | NAME*
  compose logs: @log, --no-color, --no-log-prefix | NAME*
  compose top: | NAME*
  compose images: -q --quiet, --format NAME | NAME*
  compose version: -f --format NAME, --short",
    // Values and manifests hold passwords, and so does a release as JSON; templates and charts run plugins or read from elsewhere.
    "helm
  @all = -n --namespace NAME, -o --output json/yaml/table
  before: -n --namespace NAME
  list: @all, -A --all-namespaces, -a --all, -q --short, -d --date, --deployed, --failed, --pending, --superseded, --uninstalled, --uninstalling,
    -f --filter TEXT, -l --selector SEL, -m --max NUM, --offset NUM, -r --reverse, --time-format TEXT, --no-headers
  ls: @all, -A --all-namespaces, -a --all, -q --short, -d --date, --deployed, --failed, --pending, --superseded, --uninstalled, --uninstalling,
    -f --filter TEXT, -l --selector SEL, -m --max NUM, --offset NUM, -r --reverse, --time-format TEXT, --no-headers
  status: -n --namespace NAME, --revision NUM, --show-desc, --show-resources | NAME
  history: @all, --max NUM | NAME
  hist: @all, --max NUM | NAME
  get notes: -n --namespace NAME, --revision NUM | NAME
  get metadata: @all, --revision NUM | NAME
  search repo: -o --output json/yaml/table, --devel, --version TEXT, -l --versions, -r --regexp, --max-col-width NUM, --fail-on-no-result | REF?
  repo list: -o --output json/yaml/table
  plugin list:
  version: --short, -c --client, --template TEXT",
    // The server and who asks are those that were logged in to. As JSON an application holds its Helm values.
    "argocd
  app list: -o --output wide/name, -p --project NAME, -c --cluster NAME, -l --selector SEL, -N --app-namespace NAME
  app get: -o --output wide/tree, --show-operation, --refresh, --hard-refresh, -N --app-namespace NAME | REF
  app resources: -o --output wide/tree, --orphaned | REF
  app history: -o --output wide/id, -N --app-namespace NAME | REF
  app logs: --tail NUM, -s --since-seconds NUM, --filter TEXT, -c --container NAME, --group NAME, --kind NAME, --name NAME, --namespace NAME,
    -p --previous, --match-case, -N --app-namespace NAME | REF
  cluster list: -o --output wide/server
  proj list: -o --output wide/name/json/yaml
  proj get: -o --output wide/json/yaml | NAME
  repo list: -o --output wide/url
  account get-user-info: -o --output json/yaml
  account can-i: | NAME NAME REF
  version: --client, --short, -o --output wide/json/yaml/short
  context:",
];

//! The clouds' own programs, git and the hosts of code: what lists and describes. Nothing that hands out a secret (a
//! decrypted parameter, a token, a login), reads a parameter from a file or an address (`file://`, `@file`), or speaks to
//! another server than the one that was set up.

pub(super) const RULES: &[&str] = &[
    "aws
  @aws = --region NAME, --profile NAME, --output json/text/table/yaml, --query EXPR, --no-cli-pager, --no-paginate, --max-items NUM, --page-size NUM,
    --starting-token NAME, --color on/off/auto, --no-color, --filters SEL, --filter SEL, --limit NUM, --max-results NUM, --max-records NUM
  @ec2 = --instance-ids REF, --include-all-instances, --image-ids REF, --owners REF, --volume-ids REF, --snapshot-ids REF, --group-ids REF,
    --group-names REF, --subnet-ids REF, --vpc-ids REF, --region-names REF, --zone-names REF, --route-table-ids REF, --network-interface-ids REF,
    --allocation-ids REF, --nat-gateway-ids REF, --all-regions, --all-availability-zones
  @named = --cluster REF, --clusters REF, --services REF, --service-name REF, --service REF, --tasks REF, --family REF, --task-definition REF,
    --desired-status NAME, --launch-type NAME, --function-name REF, --name REF, --names REF, --alarm-names REF, --alarm-name-prefix REF, --state-value NAME,
    --load-balancer-arn REF, --load-balancer-arns REF, --load-balancer-name REF, --load-balancer-names REF, --target-group-arn REF,
    --target-group-arns REF, --listener-arns REF, --bucket NAME, --prefix REF, --delimiter SEL, --table-name NAME, --hosted-zone-id NAME,
    --id NAME, --stack-name REF, --auto-scaling-group-names REF, --db-instance-identifier REF, --db-cluster-identifier REF,
    --source-identifier REF, --source-type NAME, --duration NUM, --cache-cluster-id REF, --user-name NAME, --role-name NAME, --queue-url EXPR,
    --topic-arn REF, --nodegroup-name NAME, --cluster-name NAME, --namespace REF, --metric-name NAME, --dimensions SEL, --start-time TIME,
    --end-time TIME, --period NUM, --statistics NAME, --unit NAME, --log-group-name PLACEORREF, --log-group-name-prefix PLACEORREF,
    --log-stream-name PLACEORREF, --log-stream-name-prefix PLACEORREF, --filter-pattern EXPR, --order-by NAME, --descending, --lookup-attributes SEL,
    --trail-name-list REF, --scope NAME
  ec2 describe-instances/describe-instance-status/describe-images/describe-volumes/describe-volume-status/describe-snapshots/describe-security-groups/describe-subnets/describe-vpcs/describe-availability-zones/describe-regions/describe-route-tables/describe-network-interfaces/describe-addresses/describe-nat-gateways/describe-internet-gateways/describe-network-acls/describe-tags/describe-vpc-endpoints/describe-instance-types: @aws, @ec2 | SEL*
  s3 ls: @aws, --human-readable, --summarize | BUCKET?
  s3api list-buckets/head-bucket/get-bucket-location/get-bucket-versioning/get-bucket-encryption/get-bucket-logging/list-objects/list-objects-v2: @aws, @named
  rds describe-db-instances/describe-db-clusters/describe-db-snapshots/describe-db-parameter-groups/describe-db-engine-versions/describe-events/describe-pending-maintenance-actions: @aws, @named | SEL*
  ecs list-clusters/list-services/list-tasks/list-task-definitions/describe-clusters/describe-services/describe-tasks/describe-task-definition: @aws, @named | REF*
  eks list-clusters/describe-cluster/list-nodegroups/describe-nodegroup/list-addons: @aws, @named
  lambda list-functions/list-layers/list-aliases/get-function-configuration/list-event-source-mappings/get-account-settings: @aws, @named
  logs describe-log-groups/describe-log-streams/filter-log-events/describe-metric-filters: @aws, @named
  cloudwatch list-metrics/describe-alarms/describe-alarm-history/describe-alarms-for-metric/get-metric-statistics: @aws, @named | SEL*
  elb describe-load-balancers/describe-instance-health: @aws, @named | REF*
  elbv2 describe-load-balancers/describe-target-groups/describe-listeners/describe-target-health/describe-rules: @aws, @named | REF*
  autoscaling describe-auto-scaling-groups/describe-auto-scaling-instances/describe-scaling-activities/describe-policies: @aws, @named | REF*
  cloudformation describe-stacks/describe-stack-events/list-stacks/list-stack-resources/describe-stack-resources: @aws, @named
  dynamodb list-tables/describe-table/describe-time-to-live/describe-continuous-backups/describe-limits: @aws, @named
  route53 list-hosted-zones/list-resource-record-sets/get-hosted-zone/list-health-checks: @aws, @named
  elasticache describe-cache-clusters/describe-replication-groups/describe-events: @aws, @named
  iam list-users/list-roles/list-groups/list-policies/get-user/get-role/get-account-summary: @aws, @named
  ssm describe-instance-information/describe-parameters/list-documents/describe-document: @aws, @named
  cloudfront list-distributions/get-distribution: @aws, @named
  cloudtrail describe-trails/get-trail-status/lookup-events: @aws, @named | SEL*
  sns list-topics/list-subscriptions/get-topic-attributes: @aws, @named
  sqs list-queues: @aws, @named
  health describe-events: @aws",
    // A value that begins with @ is a file to `az`: none here may.
    "az
  @az = -o --output json/jsonc/yaml/yamlc/table/tsv/none, --query QUERY, --subscription NAME, -g --resource-group NAME, -n --name NAME, --only-show-errors,
    --no-color, --verbose, -l --location NAME, --ids PLACEORREF, --resource PLACEORREF, --vnet-name NAME, --nsg-name NAME, --lb-name NAME, --cluster-name NAME,
    --server NAME, --account-name NAME, --container-name NAME, --workspace-name NAME, --tag SEL, --max-items NUM, --skip-token NAME,
    --start-time TIME, --end-time TIME, --metric LIST, --metrics LIST, --interval NAME, --aggregation NAME, --offset NAME, --sku NAME, -d --show-details
  account list/show/list-locations: @az
  account tenant list: @az
  group list/show/exists: @az
  resource list/show: @az
  vm list/show/list-ip-addresses/list-sizes/list-skus/list-usage/list-vm-resize-options/get-instance-view: @az
  vmss list/show/list-instances: @az
  network vnet/nsg/public-ip/lb/nic list/show: @az
  network application-gateway list/show/show-backend-health: @az
  network vnet subnet list/show: @az
  network nsg rule list/show: @az
  network lb rule/frontend-ip/probe list/show: @az
  storage account list/show/show-usage/check-name: @az
  storage container/blob list/show: @az
  aks list/show/get-versions/get-upgrades: @az
  aks nodepool list/show: @az
  monitor metrics list/list-definitions: @az
  monitor activity-log list/list-categories: @az
  monitor log-analytics workspace list/show: @az
  appservice plan list/show: @az
  appservice list-locations: @az
  webapp list/show/list-runtimes: @az
  functionapp list/show: @az
  keyvault list/show/list-deleted/check-name: @az
  sql server/db list/show: @az
  postgres/mysql/redis list/show: @az
  version: -o --output json/table/yaml",
    "gcloud
  @gcloud = --project NAME, --zone NAME, --zones LIST, --region NAME, --regions LIST, --format QUERY, --filter QUERY, --limit NUM, --page-size NUM,
    --sort-by LIST, --quiet, --cluster NAME, --location NAME, --platform NAME, --instance NAME, --service NAME
  compute instances/disks/networks/zones/regions/addresses/firewall-rules/instance-groups/backend-services/forwarding-rules/health-checks list: @gcloud | NAME*
  compute instances/disks/networks/addresses/instance-groups describe: @gcloud | NAME
  compute instances get-serial-port-output: @gcloud, --port NUM, --start NUM | NAME
  compute backend-services get-health: @gcloud, --global | NAME
  container clusters/node-pools/operations list: @gcloud
  container clusters/node-pools describe: @gcloud | NAME
  logging read: @gcloud, --freshness NAME, --order asc/desc | QUERY?
  logging logs list: @gcloud
  sql instances/operations/databases list: @gcloud
  sql instances/operations describe: @gcloud | NAME
  run services/revisions list: @gcloud
  run services/revisions describe: @gcloud | NAME
  functions list: @gcloud
  pubsub topics/subscriptions list: @gcloud
  dns managed-zones list: @gcloud
  services list: @gcloud, --enabled
  projects list: @gcloud
  config list: @gcloud
  version:",
    // Without --web, --jq and --template; the repository is named without a host.
    "gh
  @gh = -R --repo REPO, --json LIST
  pr list: @gh, -s --state NAME, -L --limit NUM, -A --author NAME, -a --assignee NAME, -B --base NAME, -H --head NAME, -l --label LIST, -S --search QUERY, -d --draft
  pr view: @gh, -c --comments | NAME?
  pr status: @gh
  pr checks: @gh, --required | NAME?
  pr diff: -R --repo REPO, --name-only, --patch, --color never | NAME?
  issue list: @gh, -s --state NAME, -L --limit NUM, -A --author NAME, -a --assignee NAME, -l --label LIST, -S --search QUERY
  issue view: @gh, -c --comments | NAME
  issue status: @gh
  run list: @gh, -L --limit NUM, -b --branch NAME, -s --status NAME, -w --workflow NAME, -u --user NAME, -e --event NAME, -c --commit NAME
  run view: @gh, --log, --log-failed, -j --job NUM, -v --verbose, --attempt NUM, --exit-status | NAME?
  workflow list: @gh, -a --all, -L --limit NUM
  release list: @gh, -L --limit NUM
  release view: @gh | NAME?
  repo view: --json LIST, -b --branch NAME | REPO?",
    // What prints a patch or a file can run programs that the repository's configuration names (external diffs, textconv):
    // summaries only. The addresses of remotes may hold passwords.
    "git
  @which = -n --max-count NUM, --skip NUM, --since TIME, --until TIME, --after TIME, --before TIME, --author QUERY, --committer QUERY, --grep QUERY,
    -i --regexp-ignore-case, --all, --merges, --no-merges, --first-parent, --reverse, --date NAME, --abbrev-commit, --no-color, --decorate ?short/full/no,
    --no-decorate, -#
  @sum = --stat ?LIST, --shortstat, --numstat, --dirstat, --summary, --name-only, --name-status, --no-color, --no-renames, -M
  before: -C FILE, --no-pager
  log: @which, @sum, --oneline, --graph, --format EXPR, --pretty ?EXPR | REV*
  shortlog: @which, -s --summary, -e --email | REV+
  show: !-s --no-patch, --format EXPR, --pretty ?EXPR, --no-color, --oneline, --date NAME | REV*
  show: !--stat --shortstat --numstat --name-only --name-status, --format EXPR, --pretty ?EXPR, --no-color, --oneline, --date NAME | REV*
  diff: !--stat --shortstat --numstat --name-only --name-status --summary, --cached --staged, --no-color, --no-renames, -M | REV*
  status: -s --short, -b --branch, --porcelain ?v1/v2, --long, -uno, --ahead-behind
  branch: --show-current
  branch: !-a --all -r --remotes --list -v --verbose, -vv, --no-color
  remote:
  rev-parse: --short, --abbrev-ref, --verify | REV
  tag: !-l --list, -n NUM, --sort LIST
  version:",
    // What reads a folder's configuration starts the programs that it names.
    "terraform
  version: -json
  validate: -json, -no-color",
];

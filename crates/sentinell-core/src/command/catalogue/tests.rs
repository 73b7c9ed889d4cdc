use super::*;
use crate::command::values::KINDS;
use crate::command::{read, rules::Rules};

/// Plain reads.
const READS: &[&str] = &[
    "df -h",
    "df -hT /var",
    "df --output=source,pcent",
    "free -m",
    "uptime",
    "ps aux",
    "ps auxww --sort=-%cpu",
    "ps -ef",
    "ps -eo pid,ppid,%cpu,args --sort=-rss",
    "ps -p 1,2 -o pid,args",
    "ss -tlnp",
    "ss -s",
    "ss -tn state established",
    "ip addr",
    "ip -br a",
    "ip addr show dev eth0",
    "ip route get 10.0.0.1",
    "ip -s link show eth0",
    "vmstat 1 5",
    "iostat -x 1 3",
    "dmesg -T --level=err,warn",
    "journalctl -u api --since '1 hour ago' -n 200 --no-pager",
    "journalctl -p err..warning --since -15min _PID=1",
    "systemctl status nginx",
    "systemctl --failed",
    "systemctl --no-pager list-units --state=failed",
    "systemctl show nginx -p ActiveState,NRestarts",
    "top -b -n 1 -o %CPU",
    "hostname -f",
    "uname -a",
    "cat /var/log/a.log",
    "head -20 /var/log/a.log",
    "tail -n +5 /var/log/a.log",
    "tail -n100 /var/log/a.log",
    "grep -in 'out of memory' /var/log/a.log",
    "grep -c -e x /var/log/a.log",
    "ls -ltr /var/log",
    "du -sh /var/log",
    "openssl x509 -in /etc/ssl/certs/api.pem -noout -enddate",
    "dig +short api.example.com",
    "dig -t mx example.com",
    "getent hosts db.example.com",
    "ping -c 3 10.0.0.1",
    "redis-cli -h cache.example.com SLOWLOG GET 10",
    "kubectl -n shop get pods -o wide",
    "kubectl get pod/api-0 svc/api -n shop",
    "kubectl logs deploy/api -c app --previous --tail=100 -n shop",
    "kubectl get pods -l 'app in (api, web)'",
    "kubectl describe node n1",
    "kubectl top pods -A --sort-by=cpu",
    "kubectl rollout history deployment/api",
    "kubectl get pods -o jsonpath='{.items[0].status.phase}'",
    "docker ps -a --format '{{.Names}}'",
    "docker logs --tail 50 --since 10m api",
    "docker inspect -f '{{json .State}} {{.RestartCount}}' api",
    "docker stats --no-stream",
    "helm status api -n shop",
    "git -C /srv/git/shop log --oneline -20",
    "git -C /srv/git/shop diff --stat HEAD~1",
    "git -C /srv/git/shop show --stat abc123",
    "aws ec2 describe-instances --filters Name=tag:env,Values=prod",
    "gcloud logging read 'severity>=ERROR' --limit=50",
    "gh run list -R acme/shop -L 5",
];

/// What is more than a read, reads secrets, speaks elsewhere or never ends.
const REFUSED: &[&str] = &[
    // Writes.
    "journalctl --vacuum-size=1",
    "journalctl --rotate",
    "journalctl --cursor-file=/x",
    "dmesg -C",
    "dmesg -n 1",
    "hostname evil",
    "sysctl -w a=1",
    "sysctl a=1",
    "date -s now",
    "date 010100002030",
    "ss -K",
    "ss -D /x",
    "ip addr add 10.0.0.1/8 dev eth0",
    "ip route flush",
    "ip a f",
    "ip link set eth0 down",
    "ip -b /x",
    "ip -batch /x",
    "ip netns exec x id",
    "systemctl restart nginx",
    "systemctl -H x status",
    "sort -o /x /y",
    "sed -i s/a/b/ /x",
    "find / -delete",
    "find / -exec id",
    "kubectl apply -f x",
    "kubectl exec a -- id",
    "kubectl delete pod a",
    "kubectl get pods --kubeconfig=/x",
    "kubectl cp a b",
    "kubectl --server=https://evil get pods",
    "kubectl get --raw /x",
    "kubectl get -f /etc/shadow",
    "kubectl cluster-info dump --output-directory=/x",
    "docker run a",
    "docker exec a id",
    "docker -H tcp://evil ps",
    "docker logs -f a",
    "docker cp a b",
    "git push",
    "git -c core.pager=id log",
    "git log -p",
    "git diff",
    "git show abc",
    "git log --output=/x",
    "git log --ext-diff",
    "git --exec-path=/x log",
    "git branch -D x",
    "git branch x",
    "git tag x",
    "git log --show-signature",
    "helm list --kube-apiserver https://evil",
    "helm get values api",
    "aws s3 cp a b",
    "aws ec2 describe-instances --endpoint-url http://evil",
    "aws ec2 describe-instances --filters file:///etc/passwd",
    "aws secretsmanager get-secret-value",
    "az vm list --query @/etc/passwd",
    "gh api x",
    "gcloud compute instances delete x",
    "curl http://x",
    "wget x",
    "tar xf x",
    "sh -c id",
    "bash",
    "env id",
    "sudo df",
    "xargs id",
    "/bin/df",
    "./df",
    "DF -h",
    // Secrets.
    "cat /proc/1/environ",
    "cat /etc/shadow",
    "head /root/.ssh/id_rsa",
    "grep x /srv/app/.env",
    "cat /x/tls.key",
    "cat ../x",
    "cat /x/../etc/shadow",
    "cat -",
    "grep -r x /srv",
    "grep -f /etc/shadow /x",
    "grep -e x -e y",
    "grep --file=/etc/shadow x /y",
    "grep -ex /etc/shadow",
    "openssl x509 -in /x/a.key -noout",
    "openssl rsa -in /x/a.pem",
    "openssl x509 -in /x/a.pem -out /y -noout",
    "ps auxe",
    "ps axe",
    "ps -auxe",
    "ps -e -u x",
    "ps -u e",
    "ps -o environ",
    "ps e",
    "systemctl show nginx -p Environment",
    "systemctl show nginx",
    "systemctl cat nginx",
    "kubectl get secrets",
    "kubectl get secret x -o yaml",
    "kubectl get pods,secrets",
    "kubectl get pod/a secret/b",
    "kubectl get SECRET/b",
    "kubectl get secrets.v1.",
    "kubectl describe secret/x",
    "kubectl get pods -o go-template-file=/x",
    "docker inspect api",
    "docker inspect -f '{{.Config.Env}}' api",
    "docker inspect -f '{{json .Config}}' api",
    "docker inspect -f '{{json .}}' api",
    "docker inspect -f '{{range .Config.Env}}{{.}}{{end}}' api",
    "docker inspect -f '{{.State}}{{json $}}' api",
    "redis-cli CONFIG GET requirepass",
    "docker history api",
    "docker plugin inspect a",
    "helm status api -o json",
    "git -C /x remote -v",
    "git diff --stat a/../../etc/shadow b",
    "iostat 1",
    "redis-cli -a x PING",
    "redis-cli FLUSHALL",
    "psql -c 'select * from users'",
    "psql -c '\\! id'",
    "psql -f /x",
    // Elsewhere, or without end.
    "dig @evil.example.com x.example.com",
    "dig axfr example.com",
    "dig -f /etc/hosts",
    "nslookup x.example.com evil.example.com",
    "ping 10.0.0.1",
    "tail -f /x",
    "kubectl get pods -w",
    "docker stats",
    "top",
    "journalctl -f",
    "free -s 1",
    "vmstat 1",
    // Abbreviations that some parsers take, and what looks like one thing and is another.
    "df --hum",
    "journalctl --vac=1",
    "dmesg --clear",
    "dmesg --cl",
    "df -- -h",
    "df -h=x",
    "kubectl get pods --all-namespaces=maybe",
    "head -n",
    "head -n -c /x",
    "cat -n",
    "grep",
    "kubectl",
    "ip",
    "redis-cli",
    "kubectl -v=9 get pods",
];

fn runs(line: &str) -> Result<crate::command::Command, String> {
    read(line, |_| true)
}

#[test]
fn every_text_can_be_read_and_names_kinds_that_there_are() {
    let mut seen = std::collections::BTreeSet::new();
    for text in all() {
        let rules = Rules::of(text);
        assert!(seen.insert(program(text)) && !rules.forms.is_empty(), "{text}");
        let known = |kind: &str| {
            KINDS.contains(&kind)
                || kind.chars().all(|c| c.is_ascii_lowercase() || "/-0123456789".contains(c) || kind.starts_with("PEM"))
        };
        for form in &rules.forms {
            for flag in form.flags.iter().chain(&rules.before) {
                assert!(
                    !flag.names.is_empty() && flag.takes.is_none_or(|(kind, _)| known(kind)),
                    "{}: {:?} {:?}",
                    program(text),
                    flag.names,
                    flag.takes
                );
            }
            assert!(form.operands.iter().all(|operand| known(operand.kind)), "{}: {:?}", program(text), form.words);
        }
    }
}

#[test]
fn plain_reads_run() {
    for line in READS {
        assert!(runs(line).is_ok(), "{line}: {:?}", runs(line));
    }
}

#[test]
fn what_is_more_than_a_read_or_reads_secrets_is_refused() {
    for line in REFUSED {
        assert!(runs(line).is_err(), "{line}");
    }
    let not_allowed = read("df -h", |_| false).unwrap_err();
    assert!(not_allowed.contains("command.programs"), "{not_allowed}");
}

#[test]
fn a_command_is_its_words_and_says_what_it_reads() {
    let command = runs("grep -n 'a \"b' /var/log/x.log /var/log/y.log").unwrap();
    assert_eq!(command.argv(), ["grep", "-n", "a \"b", "/var/log/x.log", "/var/log/y.log"]);
    assert_eq!(command.files(), ["/var/log/x.log", "/var/log/y.log"]);
    assert_eq!(
        runs("dig +short a.example.com b.example.com -x 10.0.0.1").unwrap().names(),
        ["10.0.0.1", "a.example.com", "b.example.com"]
    );
    assert_eq!(runs("git -C /srv/git/shop status").unwrap().files(), ["/srv/git/shop"]);
    for line in ["df -h", "grep -n 'it'\"'\"'s' /x", "docker ps --format 'a {{.B}}'", "grep '' /x"] {
        let command = runs(line).unwrap();
        assert_eq!(runs(&command.line()).unwrap(), command, "{line}");
    }
}

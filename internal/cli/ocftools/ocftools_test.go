package ocftools_test

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"redoubt/internal/cli/ocftools"
	"redoubt/internal/fault"
)

// store is a cluster of three nodes, of which the last is away. Keys are NODE/NAME/LIFETIME for Set, and are found without the lifetime.
type store struct {
	attrs map[string]string
	err   error
}

func (s *store) key(node, name string) (string, bool) {
	for _, l := range []ocftools.Lifetime{ocftools.Reboot, ocftools.Forever} {
		k := node + "/" + name + "/" + string(l)
		if _, ok := s.attrs[k]; ok {
			return k, true
		}
	}
	return "", false
}

func (s *store) Get(_ context.Context, node, name string) (string, bool, error) {
	k, ok := s.key(node, name)
	return s.attrs[k], ok, s.err
}

func (s *store) Set(_ context.Context, node, name, value string, l ocftools.Lifetime) error {
	if s.err == nil {
		s.attrs[node+"/"+name+"/"+string(l)] = value
	}
	return s.err
}

func (s *store) Delete(_ context.Context, node, name string) error {
	if k, ok := s.key(node, name); ok && s.err == nil {
		delete(s.attrs, k)
	}
	return s.err
}

func (s *store) Nodes(context.Context) (ocftools.Nodes, error) {
	return ocftools.Nodes{Local: "n2", Quorate: true, Nodes: []ocftools.Node{{"n1", 1, true}, {"n2", 2, true}, {"n3", 3, false}}}, s.err
}

func run(s *store, line string) (exit int, stdout, stderr string) {
	var out, complaint bytes.Buffer
	words := []string{}
	for _, w := range strings.Fields(line) {
		words = append(words, strings.ReplaceAll(w, "~", " "))
	}
	exit = ocftools.Run(context.Background(), words[0], words[1:], ocftools.Env{
		Stdout: &out, Stderr: &complaint, Client: s,
		Getenv: func(name string) string { return map[string]string{"OCF_RESOURCE_INSTANCE": "rs"}[name] },
	})
	return exit, out.String(), complaint.String()
}

// TestCallsOfAgents has the calls that Debian's agents make, one or more of each kind. ~ stands for a space within an argument.
func TestCallsOfAgents(t *testing.T) {
	for _, c := range []struct {
		agent, before, line string
		exit                int
		stdout, after       string
	}{
		// ocf_promotion_score
		{"Stateful", "", "crm_attribute -p -v 5", 0, "", "n2/master-rs/reboot=5"},
		{"Stateful", "n2/master-rs/reboot=5", "crm_attribute -p -D", 0, "Deleted status attribute: name=master-rs\n", ""},
		{"galera", "", "crm_attribute -p -N n1 -v 100", 0, "", "n1/master-rs/reboot=100"},
		{"mariadb", "n1/master-rs/reboot=100", "crm_attribute -p -G -N n1", 0, "scope=status  name=master-rs value=100\n", "n1/master-rs/reboot=100"},
		{"mariadb", "", "crm_attribute -p -G -N n1", 105, "scope=status  name=master-rs value=(null)\n", ""},
		{"conntrackd", "", "crm_master -Q -l reboot -v 10", 0, "", "n2/master-rs/reboot=10"},
		{"redis", "", "crm_master -N n1 -l reboot -v 1001", 0, "", "n1/master-rs/reboot=1001"},
		{"redis", "n2/master-rs/reboot=7", "crm_master -N n2 -l reboot -G --quiet", 0, "7\n", "n2/master-rs/reboot=7"},
		{"redis", "n2/master-rs/reboot=7", "crm_master -N n2 -l reboot -D", 0, "Deleted status attribute: name=master-rs\n", ""},
		{"SAPInstance", "", "crm_master -v INFINITY -l reboot", 0, "", "n2/master-rs/reboot=INFINITY"},
		// crm_attribute
		{"redis", "", "crm_attribute --type crm_config --name redis_REPL_INFO -s redis_replication -v n1 -q", 0, "", "/redis_REPL_INFO/forever=n1"},
		{"redis", "/redis_REPL_INFO/forever=n1", "crm_attribute --type crm_config --name redis_REPL_INFO -s redis_replication --query -q", 0, "n1\n", "/redis_REPL_INFO/forever=n1"},
		{"redis", "", "crm_attribute --node n1 -l forever --name redis-tunnel-port --query -q", 105, "", ""},
		{"pgsql", "", "crm_attribute -l forever -N n1 -n pgsql-data-status -v STREAMING|SYNC", 0, "", "n1/pgsql-data-status/forever=STREAMING|SYNC"},
		{"pgsql", "n1/pgsql-data-status/forever=LATEST", "crm_attribute -l forever -N n1 -n pgsql-data-status -G -q", 0, "LATEST\n", "n1/pgsql-data-status/forever=LATEST"},
		{"pgsql", "", "crm_attribute -l reboot -N n1 -n pgsql-xlog-loc -v 0000000003000090", 0, "", "n1/pgsql-xlog-loc/reboot=0000000003000090"},
		{"pgsql", "n1/pgsql-xlog-loc/reboot=1", "crm_attribute -l reboot -N n1 -n pgsql-xlog-loc -D", 0, "Deleted status attribute: name=pgsql-xlog-loc\n", ""},
		{"galera", "n1/g-bootstrap/reboot=true", "crm_attribute -N n1 -l reboot --name g-bootstrap --quiet", 0, "true\n", "n1/g-bootstrap/reboot=true"},
		{"mysql", "n1/ip/forever=10.0.0.1", "crm_attribute -N n1 -l forever -n ip -q -G", 0, "10.0.0.1\n", "n1/ip/forever=10.0.0.1"},
		{"rabbitmq-server-ha", "", "crm_attribute -N n1 -l reboot --name rabbit-start-time --update 123", 0, "", "n1/rabbit-start-time/reboot=123"},
		{"rabbitmq-server-ha", "n1/rabbit-start-time/reboot=123", "crm_attribute -N n1 -l reboot --name rabbit-start-time --query", 0, "scope=status  name=rabbit-start-time value=123\n", "n1/rabbit-start-time/reboot=123"},
		{"rabbitmq-server-ha", "", "crm_attribute -N n1 -l reboot --name rabbit-master --delete", 0, "Deleted status attribute: name=rabbit-master\n", ""},
		{"mpathpersist", "", "crm_attribute --lifetime=reboot --name=master-mp --node=n1 --update=5 --quiet", 0, "", "n1/master-mp/reboot=5"},
		{"SAPInstance", "", "crm_attribute -n runs_ers_S01 -v 1 -l reboot", 0, "", "n2/runs_ers_S01/reboot=1"},
		{"NodeUtilization", "", "crm_attribute --quiet -t nodes --node n1 -z -n cpu", 105, "", ""},
		{"NodeUtilization", "", "crm_attribute -t nodes --node n1 -z -n cpu -v 8", 0, "", "n1/utilization-cpu/forever=8"},
		{"Xen", "", "crm_attribute --type nodes --node n1 -n addr -G -q", 105, "", ""},
		{"db2", "/db2hadr/forever=x", "crm_attribute -l forever -n db2hadr -G --quiet", 105, "", "/db2hadr/forever=x"},
		{"with a default", "", "crm_attribute -N n1 -n x -G -q -d 3", 0, "3\n", ""},
		{"counting", "n2/c/reboot=4", "crm_attribute -l reboot -n c -v value++", 0, "", "n2/c/reboot=5"},
		{"counting", "", "crm_attribute -l reboot -n c -v c+=7", 0, "", "n2/c/reboot=7"},
		{"clustered options", "n2/c/reboot=4", "crm_attribute -qGn c -lreboot", 0, "4\n", "n2/c/reboot=4"},
		// attrd_updater
		{"SysInfo", "", "attrd_updater 0s -S status -n cpu_load -v 0.5", 0, "", "n2/cpu_load/reboot=0.5"},
		{"SysInfo", "", "attrd_updater -d 0s -S status -n os -v Linux~6", 0, "", "n2/os/reboot=Linux 6"},
		{"lxd-info", "n2/lxd_containers/reboot=3", "attrd_updater -d 0s -D -S state -n lxd_containers", 0, "", ""},
		{"mariadb", "", "attrd_updater -p -n rs-gtid -U 0-1-2", 0, "", "n2/rs-gtid/reboot=0-1-2"},
		{"mariadb", "n1/rs-gtid/reboot=0-1-2", "attrd_updater -p -N n1 -n rs-gtid -Q", 0, "name=\"rs-gtid\" host=\"n1\" value=\"0-1-2\"\n", "n1/rs-gtid/reboot=0-1-2"},
		{"mariadb", "", "attrd_updater -p -N n1 -n rs-gtid -Q", 105, "", ""},
		{"what is given to eval stays data", "n2/x/reboot=\"$(reboot)`reboot`\\", "attrd_updater -n x -Q", 0, "name=\"x\" host=\"n2\" value=\"\\\"\\$(reboot)\\`reboot\\`\\\\\"\n", "n2/x/reboot=\"$(reboot)`reboot`\\"},
		{"all nodes", "n1/x/reboot=1,n3/x/reboot=3", "attrd_updater -Q -A -n x", 0, "name=\"x\" host=\"n1\" value=\"1\"\nname=\"x\" host=\"n3\" value=\"3\"\n", "n1/x/reboot=1,n3/x/reboot=3"},
		{"ethmonitor", "", "attrd_updater -n ethmonitor-eth0 -v 1", 0, "", "n2/ethmonitor-eth0/reboot=1"},
		{"rabbitmq-server-ha", "", "attrd_updater -p --name a --node n1 --update 2", 0, "", "n1/a/reboot=2"},
		{"openstack-info", "", "attrd_updater -d 0 -n openstack_id -v 1234", 0, "", "n2/openstack_id/reboot=1234"},
		// crm_node
		{"the agents' library", "", "crm_node -n", 0, "n2\n", ""},
		{"sg_persist", "", "crm_node -i", 0, "2\n", ""},
		{"galera", "", "crm_node -p", 0, "n1 n2\n", ""},
		{"galera", "", "crm_node -q", 0, "1\n", ""},
		{"azure-events", "", "crm_node --list", 0, "1 n1 member\n2 n2 member\n3 n3 lost\n", ""},
		{"rabbitmq-server-ha", "", "crm_node -l -p", 0, "n1 n2\n", ""},
		{"by id", "", "crm_node -N 3", 0, "n3\n", ""},
		{"by id", "", "crm_node -N 4", 105, "", ""},
		// crm_resource
		{"VirtualDomain", "", "crm_resource -Q -r rs -z -g cpu", 105, "", ""},
		{"VirtualDomain", "", "crm_resource -r rs -z -p cpu -v 2", 0, "", "/utilization-rs-cpu/forever=2"},
		{"VirtualDomain", "/utilization-rs-cpu/forever=2", "crm_resource -Q -r rs -z -g cpu", 0, "2\n", "/utilization-rs-cpu/forever=2"},
		{"VirtualDomain", "/utilization-rs-cpu/forever=2", "crm_resource --resource=rs --utilization --delete-parameter=cpu", 0, "", ""},
		{"pgsql", "", "crm_resource -B -r rs -N n1 -Q", 3, "", ""},
		{"azure-events", "", "crm_resource --list-operations -N n1", 3, "", ""},
		// the agents' library
		{"the agents' library", "", "pacemakerd -$", 0, "Pacemaker 2.1.5\n", ""},
		{"the agents' library", "", "cibadmin -Q", 0, "<cib validate-with=\"none\"/>\n", ""},
		{"a search that no agent makes", "", "cibadmin -Q --xpath //node_state", 3, "", ""},
		{"rabbitmq-cluster", "", "cibadmin -Q --xpath //node_state[@crmd='online']//nvpair[@name='a']", 105, "", ""},
		{
			"rabbitmq-cluster", "n1/a/reboot=rabbit@n1,n3/a/reboot=rabbit@n3", "cibadmin -Q --xpath //node_state[@crmd='online']//nvpair[@name='a']", 0,
			"<nvpair id=\"status-1-a\" name=\"a\" value=\"rabbit@n1\"></nvpair>\n", "n1/a/reboot=rabbit@n1,n3/a/reboot=rabbit@n3",
		},
		{
			"rabbitmq-cluster", "n1/a/reboot=x\"<y,n3/a/reboot=z", "cibadmin --query -A //node_state//nvpair[@name='a']", 0,
			"<xpath-query>\n<nvpair id=\"status-1-a\" name=\"a\" value=\"x&#34;&lt;y\"></nvpair>\n<nvpair id=\"status-3-a\" name=\"a\" value=\"z\"></nvpair>\n</xpath-query>\n",
			"n1/a/reboot=x\"<y,n3/a/reboot=z",
		},
		// what is wrong
		{"no name", "", "crm_attribute -v 1", 64, "", ""},
		{"unknown option", "", "crm_attribute --wat", 64, "", ""},
		{"unknown letter", "", "crm_attribute -qW", 64, "", ""},
		{"missing value", "", "crm_attribute -n", 64, "", ""},
		{"value where none goes", "", "crm_attribute --query=x -n a", 64, "", ""},
		{"lifetime", "", "crm_attribute -n a -l year -v 1", 64, "", ""},
		{"type", "", "crm_attribute -n a -t tickets -v 1", 64, "", ""},
		{"nothing to do", "", "attrd_updater -n a", 64, "", ""},
		{"nothing to ask", "", "crm_node", 64, "", ""},
		{"ClusterMon", "", "crm_mon -p /run/x.pid -d -i 15 -h /tmp/x.html", 3, "", ""},
		{"no such tool", "", "crm_shadow -l", 64, "", ""},
	} {
		s := &store{attrs: map[string]string{}}
		for kv := range strings.SplitSeq(c.before, ",") {
			if k, v, ok := strings.Cut(kv, "="); ok {
				s.attrs[k] = v
			}
		}
		exit, stdout, stderr := run(s, c.line)
		after := []string{}
		for _, k := range slices.Sorted(maps.Keys(s.attrs)) {
			after = append(after, k+"="+s.attrs[k])
		}
		if exit != c.exit || stdout != c.stdout || strings.Join(after, ",") != c.after || (exit == 0) != (stderr == "") {
			t.Errorf("%s: %s\nexit %d, want %d\nstdout %q\nwant   %q\nstderr %q\nattributes %v\nwant       %s", c.agent, c.line, exit, c.exit, stdout, c.stdout, stderr, after, c.after)
		}
	}
}

// TestCrmMon looks for what the agents look for.
func TestCrmMon(t *testing.T) {
	for _, line := range []string{"crm_mon -1 --output-as=xml", "crm_mon -1 --as-xml", "crm_mon -1X", "crm_mon -r --as-xml"} {
		exit, stdout, stderr := run(&store{}, line)
		for _, want := range []string{`<node name="n1" id="1" online="true"`, `<node name="n3" id="3" online="false"`, `unclean="false"`, `type="member"`, "</nodes>"} {
			if exit != 0 || !strings.Contains(stdout, want) {
				t.Errorf("%s: exit %d, no %s in\n%s%s", line, exit, want, stdout, stderr)
			}
		}
		if strings.Contains(stdout, "%") || strings.Contains(strings.ToLower(stdout), "promoted") {
			t.Errorf("%s: %s", line, stdout) // agents give it to printf, and look for a promoted instance
		}
	}
	if exit, stdout, _ := run(&store{}, "crm_mon -1"); exit != 0 || !strings.Contains(stdout, "Online: [ n1 n2 ]") || !strings.Contains(stdout, "OFFLINE: [ n3 ]") {
		t.Errorf("exit %d: %s", exit, stdout)
	}
}

func TestErrorsOfTheCluster(t *testing.T) {
	for code, want := range map[fault.Code]int{fault.Unavailable: 102, fault.Timeout: 124, fault.Denied: 4, fault.Internal: 1} {
		for _, line := range []string{"crm_attribute -p -v 5", "attrd_updater -n a -Q", "attrd_updater -n a -D", "crm_node -n", "crm_resource -r rs -z -g cpu", "crm_mon -1", "crm_attribute -t crm_config -n a -D"} {
			exit, stdout, stderr := run(&store{err: fault.Errorf(code, "no majority")}, line)
			if exit != want || stdout != "" || !strings.Contains(stderr, "no majority") || strings.Contains(stderr, "not connected") != (code == fault.Unavailable) {
				t.Errorf("%s with %s: exit %d, %q, %q", line, code, exit, stdout, stderr)
			}
		}
	}
}

func FuzzRun(f *testing.F) {
	f.Add("crm_attribute -p -v 5")
	f.Add("attrd_updater -pQn a --all")
	f.Add("crm_resource --resource= -z -g")
	f.Fuzz(func(t *testing.T, line string) {
		if strings.TrimSpace(line) == "" {
			return
		}
		exit, _, stderr := run(&store{attrs: map[string]string{}}, line)
		if exit < 0 || exit > 124 || (exit == 0) != (stderr == "") {
			t.Errorf("exit %d, %q", exit, stderr)
		}
	})
}

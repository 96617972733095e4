package e2e_test

import (
	"context"
	"strings"
	"testing"
)

// follower writes a proxy type: what Prenet_start leaves behind follows a file, which plays the service of another manager, and reports with the real scha_control.
func follower(t *testing.T, file string) (folder string) {
	t.Helper()
	return writeType(t, "e2e.proxy", map[string]string{
		"type.yaml": "name: e2e.proxy\nversion: \"1\"\nproxy: true\nwatch: processes\nmethods:\n" +
			"  Prenet_start: {program: follow, timeout: 30}\n  Postnet_stop: {program: leave, timeout: 30}\n",
		"follow": `#!/bin/sh
(
	was=
	while :; do
		now=OFFLINE; [ -e ` + file + ` ] && now=ONLINE
		[ "$now" = "$was" ] || scha_control -O CHANGE_STATE_$now -R "$REDOUBT_RESOURCE" -G "$REDOUBT_GROUP" && was=$now
		sleep 0.100084
	done
) >/dev/null 2>&1 </dev/null &
exit 0
`,
		"leave": "#!/bin/sh\nexit 0\n", // what is left in the resource's cgroup is ended
	})
}

// A proxy is where what it stands for is, as the other manager moves it; what depends on it goes with it, also over a restart of the daemon.
func TestProxyFollowsWhatIsOutside(t *testing.T) {
	w := use(t, "e2e")
	const file = "/var/lib/redoubt/e2e-outside" // each node has a disk of its own there
	sh := func(node, script string) {
		t.Helper()
		if out, err := w.Output(t.Context(), node, "sh", "-c", script); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	w.gds(t, "n1")
	t.Cleanup(func() {
		_, _ = w.try(context.Background(), "n1", "type", "unregister", "-y", "e2e.proxy") // the test's own context has ended
		for _, n := range w.Nodes() {
			_, _ = w.Output(context.Background(), n, "rm", "-f", file)
		}
	})
	w.leave(t, "n1", "user-rg", "proxy-rg")
	w.do(t, "n1", "type", "register", "-f", follower(t, file), "e2e.proxy")
	w.do(t, "n1", "group", "create", "-S", "-n", "n1,n2", "proxy-rg")
	w.do(t, "n1", "resource", "create", "-g", "proxy-rg", "-t", "e2e.proxy", "proxy-r")
	w.do(t, "n1", "group", "create", "-S", "-n", "n1,n2", "user-rg")
	w.do(t, "n1", "resource", "create", "-g", "user-rg", "-t", "redoubt.gds", "-p", "Start_command=exec /bin/sleep 100085", "-p", "Resource_dependencies_offline_restart=proxy-r{LOCAL_NODE}", "user-r")
	states := func(want string) {
		t.Helper()
		eventually(t, func() string {
			var parts []string
			for _, g := range []string{"proxy-rg", "user-rg"} {
				for _, n := range w.group(t, "n1", g).Nodes {
					if n.Node != "n3" {
						parts = append(parts, n.State)
					}
				}
			}
			if got := strings.Join(parts, " "); got != want {
				return "the groups are " + got + ", not " + want
			}
			return ""
		})
	}
	const on, waits = "ONLINE", "PENDING_ONLINE_BLOCKED"
	sh("n1", "touch "+file)
	if out := w.refuse(t, "n1", "group", "online", "-eM", "proxy-rg"); !strings.Contains(out, "on node n2 waits: proxy-r: what it stands for is not reported online here") {
		t.Errorf("the command says: %s", out)
	}
	w.refuse(t, "n1", "group", "online", "-eM", "user-rg")
	states(on + " " + waits + " " + on + " " + waits)
	sh("n2", "touch "+file)
	states(on + " " + on + " " + on + " " + on)
	sh("n1", "rm "+file)
	states(waits + " " + on + " " + waits + " " + on)
	if pid := w.pid(t, "n1", "100085"); pid != "" {
		t.Errorf("what depends on the proxy still runs on n1: %s", pid)
	}
	// The daemon that comes after goes on with the program that follows, and with what it has said.
	if _, err := w.Daemon("n1", "restart"); err != nil {
		t.Fatal(err)
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	states(waits + " " + on + " " + waits + " " + on)
	sh("n1", "touch "+file)
	states(on + " " + on + " " + on + " " + on)
	// Nothing is set by hand for what is no proxy.
	if out := w.refuse(t, "n1", "scha_control", "-O", "CHANGE_STATE_OFFLINE", "-R", "user-r", "-G", "user-rg"); !strings.Contains(out, "redoubt.gds is no proxy") {
		t.Errorf("the command says: %s", out)
	}
}

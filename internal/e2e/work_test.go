package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "redoubt/api/v1"
	"redoubt/internal/lab"
)

// TestPlannedWork: what an administrator does on purpose.
func TestSwitchAndEvacuate(t *testing.T) {
	w := use(t, "e2e")
	w.web(t, "n1")
	p := w.watch(t)
	w.do(t, "n3", "group", "switch", "-n", "n2", "web-rg")
	if at := w.whereWeb(t, "n1"); at != "n2" {
		t.Fatalf("after the switch web-rg is online on %q", at)
	}
	w.do(t, "n1", "node", "evacuate", "-T", "1", "n2")
	if at := w.whereWeb(t, "n1"); at == "n2" || at == "" {
		t.Fatalf("after the evacuation web-rg is online on %q", at)
	}
	p.stop(t)
	w.do(t, "n1", "group", "offline", "-y", "web-rg")
	if at := w.whereWeb(t, "n2"); at != "" {
		t.Fatalf("after offline web-rg is online on %q", at)
	}
	// Under the old names, by argv[0].
	if out, err := w.Output(t.Context(), "n1", "sh", "-c", "mkdir -p /run/old && redoubt links install /run/old && /run/old/clrg online -eM web-rg && /run/old/clrs status"); err != nil || !strings.Contains(out, "web-ip") {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestTimingChangesInARunningCluster(t *testing.T) {
	w := use(t, "e2e")
	w.web(t, "n1")
	p := w.watch(t)
	before := w.webProcess(t)
	for _, profile := range []string{"fast", "wan", "fast", "default"} {
		w.do(t, "n2", "cluster", "set", "-p", "heartbeat_profile="+profile)
		if got := w.status(t, "n3").Cluster.Timing.Profile; got != profile {
			t.Errorf("the profile is %s, not %s", got, profile)
		}
	}
	if now := w.webProcess(t); now != before {
		t.Errorf("the server was restarted: it was %s, now it is %s", before, now)
	}
	p.stop(t)
}

// TestFullLoad: a node whose processors, memory and disk are all at their limit keeps its lease, and its service.
func TestFullLoad(t *testing.T) {
	w := use(t, "e2e")
	w.web(t, "n1")
	before, life := w.webProcess(t), w.life(t, "n2", "n1")
	p := w.watch(t)
	// Twenty busy loops, a gigabyte and a half that is written again and again, and two writers that sync each block, for fifteen seconds.
	const script = `
		for i in $(seq 20); do timeout 15 sh -c 'while :; do :; done' & done
		for i in 1 2 3; do timeout 15 python3 -c 'b = bytearray(500 << 20)
while True:
    for i in range(0, len(b), 4096): b[i] = (b[i] + 1) & 255' & done
		for i in 1 2; do timeout 15 sh -c 'while :; do dd if=/dev/zero of=/var/lib/redoubt/load'$i' bs=1M count=64 oflag=dsync 2>/dev/null; done' & done
		wait; rm -f /var/lib/redoubt/load*`
	if out, err := w.Output(t.Context(), "n1", "sh", "-c", script); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if now := w.life(t, "n2", "n1"); now != life {
		t.Errorf("n1 lost its lease under load: it was %s, now it is %s", life, now)
	}
	if now := w.webProcess(t); now != before {
		t.Errorf("the server was restarted: it was %s, now it is %s", before, now)
	}
	p.stop(t)
}

func TestProcessDies(t *testing.T) {
	w := use(t, "e2e")
	w.web(t, "n1")
	p := w.watch(t)
	before := w.webProcess(t)
	if _, err := w.Output(t.Context(), "n1", "sh", "-c", "for f in /proc/[0-9]*; do tr '\\0' ' ' <$f/cmdline 2>/dev/null | grep -q ' [s]erve 10.77.0.100:8080' && kill -9 ${f#/proc/}; done; true"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if now := w.webProcess(t); now == "" || now == before {
			return "the death of the process was not repaired"
		}
		return ""
	})
	if at := w.whereWeb(t, "n1"); at != "n1" {
		t.Errorf("web-rg is online on %q: it should have been restarted in place", at)
	}
	r := p.stop(t)
	if len(r.Answerers) < 2 || w.webProcess(t) == before {
		t.Errorf("the server was not restarted: %+v", r.Answerers)
	}
}

func TestRollingRestartOfDaemons(t *testing.T) {
	w := use(t, "e2e")
	w.web(t, "n1")
	p := w.watch(t)
	before := w.webProcess(t)
	for _, n := range w.Nodes() {
		if _, err := w.Daemon(n, lab.DaemonRestart); err != nil {
			t.Fatal(err)
		}
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if now := w.webProcess(t); now != before {
		t.Errorf("the server was restarted: it was %s, now it is %s", before, now)
	}
	if r := p.stop(t); len(r.Answerers) != 1 {
		t.Errorf("the service was restarted: %+v", r.Answerers)
	}
	// The new daemon watches what the old one started.
	TestProcessDies(t)
}

func TestDaemonThatDoesNotComeBackIsReplaced(t *testing.T) {
	w := use(t, "e2e")
	movesAway(t, w, []string{"n1"}, func(n string) error { _, err := w.Daemon(n, lab.DaemonStop); return err })
}

func TestDaemonLeaves(t *testing.T) {
	w := use(t, "e2e")
	movesAway(t, w, []string{"n1"}, func(n string) error { _, err := w.Daemon(n, lab.DaemonLeave); return err })
}

func TestFullDiskUnderTheRepository(t *testing.T) {
	w := use(t, "e2e")
	w.web(t, "n1")
	p := w.watch(t)
	before := w.webProcess(t)
	// A small file system takes the place of n1's data while its daemon is down, and is then filled to the brim.
	data := "/var/lib/redoubt"
	sh := func(script string) string {
		t.Helper()
		out, err := w.Output(t.Context(), "n1", "sh", "-ec", script)
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		return out
	}
	if _, err := w.Daemon("n1", lab.DaemonStop); err != nil {
		t.Fatal(err)
	}
	sh("mkdir -p /run/kept && cp -a " + data + "/. /run/kept/ && mount -t tmpfs -o size=96m,mode=700 none " + data + " && cp -a /run/kept/. " + data)
	if _, err := w.Daemon("n1", lab.DaemonStart); err != nil {
		t.Fatal(err)
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	sh("dd if=/dev/zero of=" + data + "/ballast bs=1M 2>/dev/null || true; dd if=/dev/zero of=" + data + "/ballast2 bs=4k 2>/dev/null || true")
	// The others go on, and so does the service.
	for range 5 {
		w.do(t, "n2", "group", "set", "-p", "RG_description=written while n1's disk is full", "web-rg")
	}
	if now := w.webProcess(t); now != before {
		t.Errorf("the server was restarted: it was %s, now it is %s", before, now)
	}
	sh("rm " + data + "/ballast " + data + "/ballast2")
	if _, err := w.Daemon("n1", lab.DaemonRestart); err != nil {
		t.Fatal(err)
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		g := w.do(t, "n1", "group", "show", "-o", "json", "web-rg")
		if !strings.Contains(g, "written while n1's disk is full") {
			return "n1 has not caught up: " + g
		}
		return ""
	})
	p.stop(t)
	if _, err := w.Daemon("n1", lab.DaemonStop); err != nil {
		t.Fatal(err)
	}
	sh("rm -rf /run/kept && cp -a " + data + " /run/kept && umount " + data + " && find " + data + " -mindepth 1 -delete && cp -a /run/kept/. " + data + " && rm -rf /run/kept")
}

func TestJoinIsDenied(t *testing.T) {
	w := own(t, "e2ejoin", lab.Options{Nodes: 2, Bare: true})
	for _, n := range w.Nodes() {
		eventually(t, func() string {
			if _, err := w.try(t.Context(), n, "status"); err != nil {
				return err.Error()
			}
			return ""
		})
	}
	w.do(t, "n1", "cluster", "create", "--name", "demo", "--node", "n1", "--interconnect", "10.77.1.0/24", "--interconnect", "10.77.2.0/24")
	fp := show[v1.Cluster](t, w, "n1", "cluster", "show").Fingerprint
	if msg := w.refuse(t, "n2", "node", "join", "--sponsor", "n1", "--fingerprint", fp); !strings.Contains(msg, "access allow -h n2") {
		t.Errorf("the refusal does not say what to do: %s", msg)
	}
	key := strings.TrimSpace(w.do(t, "n2", "node", "key"))
	wrong := "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	// Allowed with the key of another machine: whoever calls himself n2 is not enough.
	w.do(t, "n1", "access", "allow", "-h", "n2", "--key", wrong)
	if msg := w.refuse(t, "n2", "node", "join", "--sponsor", "n1", "--fingerprint", fp); !strings.Contains(msg, "another key") {
		t.Errorf("another key than the one allowed: %s", msg)
	}
	// Allowed without a key: it asks, shows its key, and waits for somebody to approve it.
	w.do(t, "n1", "access", "allow", "-h", "n2")
	if msg := w.refuse(t, "n2", "node", "join", "--sponsor", "n1", "--fingerprint", wrong); !strings.Contains(msg, "fingerprint") {
		t.Errorf("a wrong fingerprint: %s", msg)
	}
	joined := make(chan error, 1)
	go func() {
		_, err := w.try(t.Context(), "n2", "node", "join", "--sponsor", "n1", "--fingerprint", fp)
		joined <- err
	}()
	eventually(t, func() string {
		if list := w.do(t, "n1", "access", "list"); !strings.Contains(list, "n2 asks to join with key "+key) {
			return "the access list does not show who asks: " + list
		}
		return ""
	})
	if nodes := w.do(t, "n1", "node", "list"); strings.Contains(nodes, "n2") {
		t.Errorf("n2 is a node before anybody approved it: %s", nodes)
	}
	w.do(t, "n1", "access", "approve", "n2", key)
	if err := <-joined; err != nil {
		t.Fatalf("the approved machine did not join: %v", err)
	}
	eventually(t, func() string {
		if list := w.do(t, "n1", "access", "list"); strings.Contains(list, "n2") {
			return "the permission was not used up: " + list
		}
		return ""
	})
	if left := w.do(t, "n1", "access", "list"); strings.Contains(left, "n2") {
		t.Errorf("the permission was not used up: %s", left)
	}
	if msg := w.refuse(t, "n2", "cluster", "create", "--name", "other", "--node", "n2", "--interconnect", "10.77.1.0/24"); !strings.Contains(msg, "of cluster demo already") {
		t.Errorf("a node in a cluster created another: %s", msg)
	}
	// Nobody but root, and nobody from the network without a certificate.
	if out, err := w.Output(t.Context(), "n1", "setpriv", "--reuid=65534", "--clear-groups", "redoubt", "status"); err == nil {
		t.Errorf("nobody reads the status: %s", out)
	}
	if out, err := w.Output(t.Context(), lab.Client, "wget", "-qO-", "--no-check-certificate", "https://10.77.0.1:7401/v1/cluster/status"); err == nil {
		t.Errorf("a stranger reads the status: %s", out)
	}
}

func TestAddressInUse(t *testing.T) {
	w := use(t, "e2e")
	if _, err := w.Output(t.Context(), lab.Client, "sh", "-c", "ip addr add 10.77.0.77/24 dev $(ip -o addr show to 10.77.0.250 | awk '{print $2}')"); err != nil {
		t.Fatal(err)
	}
	w.web(t, "n1")
	w.do(t, "n1", "group", "create", "-n", "n1", "taken-rg")
	t.Cleanup(func() {
		_, _ = w.try(t.Context(), "n1", "group", "delete", "-y", "-F", "taken-rg")
	})
	w.do(t, "n1", "resource", "create-logicalhostname", "-g", "taken-rg", "--address", "10.77.0.77/24", "taken-ip")
	if msg := w.refuse(t, "n1", "group", "online", "-eM", "taken-rg"); !strings.Contains(msg, "10.77.0.77") || !strings.Contains(msg, "in use") && !strings.Contains(msg, "already") {
		t.Errorf("an address that is taken: %s", msg)
	}
	if at := w.whereWeb(t, "n2"); at != "n1" {
		t.Errorf("web-rg was disturbed: online on %q", at)
	}
	w.do(t, "n1", "group", "offline", "-y", "taken-rg")
	w.do(t, "n1", "group", "delete", "-y", "-F", "taken-rg")
}

func TestExportApplySnapshotRestore(t *testing.T) {
	w := own(t, "e2ebackup", lab.Options{Nodes: 1})
	w.web(t, "n1")
	w.do(t, "n1", "user", "grant", "-P", "Cluster Read", "ada")
	w.do(t, "n1", "user", "certificate", "--dir", "/var/lib/redoubt/ada", "ada")
	w.do(t, "n1", "cluster", "set", "-p", "sessions=on")
	w.do(t, "n1", "session", "open", "--user", "ada", "--for", "4h", "--idle", "4h")
	if sessions := w.do(t, "n1", "session", "list"); len(strings.Fields(sessions)) != 1 {
		t.Fatalf("the session is not listed: %s", sessions)
	}
	doc := w.do(t, "n1", "cluster", "export", "-o", "yaml")
	w.do(t, "n1", "cluster", "snapshot", "/var/lib/redoubt/snap.db")
	file := filepath.Join(w.Disk("n1"), "doc.yaml")
	if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(file) })
	w.do(t, "n1", "group", "delete", "-y", "-F", "web-rg")
	w.do(t, "n1", "cluster", "apply", "-f", file)
	if again := w.do(t, "n1", "cluster", "export", "-o", "yaml"); again != doc {
		t.Errorf("what was exported and applied is not the same:\n%s\nwas:\n%s", again, doc)
	}
	w.do(t, "n1", "group", "delete", "-y", "-F", "web-rg")
	// What is revoked and exchanged after the snapshot was made is so after its restoring.
	w.do(t, "n1", "certificate", "revoke", "-y", "--reason", "lost", "ada")
	w.do(t, "n1", "certificate", "rotate-authority", "-y")
	root := w.certificates(t, "n1", "node-authority")
	w.do(t, "n1", "cluster", "snapshot", "/var/lib/redoubt/later.db")
	if _, err := w.Daemon("n1", lab.DaemonLeave); err != nil {
		t.Fatal(err)
	}
	// The node's own copy is lost; a later snapshot knows what it knew.
	out, err := w.Output(t.Context(), "n1", "sh", "-c", "rm -r /var/lib/redoubt/repository && "+filepath.Join(bin, "redoubtd")+" restore -from /var/lib/redoubt/snap.db -copy /var/lib/redoubt/later.db 2>&1")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !strings.Contains(out, "stay revoked") || !strings.Contains(out, "the newest copy tells, /var/lib/redoubt/later.db") {
		t.Errorf("the restore does not say what became of revocations: %s", out)
	}
	if _, err := w.Daemon("n1", lab.DaemonStart); err != nil {
		t.Fatal(err)
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if now := w.certificates(t, "n1", "node-authority"); len(now) != 1 || len(root) != 1 || now[0].Fingerprint != root[0].Fingerprint {
		t.Errorf("the authority is %+v after the restore, and was %+v", now, root)
	}
	if c := w.certificates(t, "n1", "user"); len(c) != 1 || c[0].State != "revoked" || !strings.Contains(c[0].Revoked, "lost") {
		t.Errorf("ada's certificate counts again: %+v", c)
	}
	if sessions := w.do(t, "n1", "session", "list"); strings.TrimSpace(sessions) != "" {
		t.Errorf("a session of the snapshot counts again, and nobody knows whether it was closed: %s", sessions)
	}
	if c := w.certificate(t, "n1", "n1"); c.Issuer != root[0].Fingerprint {
		t.Errorf("n1 shows a certificate of another authority: %+v", c)
	}
	if again := w.do(t, "n1", "cluster", "export", "-o", "yaml"); again != doc {
		t.Errorf("what was restored is not the same:\n%s\nwas:\n%s", again, doc)
	}
	w.web(t, "n1")
}

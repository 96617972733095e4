package harden

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// machine is the files of a machine that nobody has hardened.
func machine(t *testing.T) *Host {
	t.Helper()
	h := &Host{Root: t.TempDir(), Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
	for _, i := range Items() {
		for _, key := range i.keys {
			value := map[string]string{"kernel/core_pattern": "core", "net/ipv4/tcp_syncookies": "1"}[key] // the latter is good
			if value == "" {
				value = "7"
			}
			put(t, h, "/proc/sys/"+key, value+"\n", 0o644)
		}
	}
	put(t, h, "/var/lib/redoubt/ca.key", "key", 0o644)
	put(t, h, "/var/lib/redoubt/node.pem", "cert", 0o600)
	put(t, h, "/etc/redoubt/redoubtd.yaml", "node: n1\n", 0o666)
	put(t, h, "/etc/audit/rules.d/own.rules", "# mine\n", 0o640)
	put(t, h, "/usr/lib/systemd/system/redoubtd.service", "[Service]\n", 0o644)
	put(t, h, "/etc/systemd/system/other.service", "[Service]\n", 0o644)
	put(t, h, "/etc/sysctl.d/90-redoubt-hd-sys-001.conf", "# somebody's own, by that name\n", 0o600)
	return h
}

func put(t *testing.T, h *Host, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(h.at(path)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.at(path), []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(h.at(path), mode); err != nil {
		t.Fatal(err)
	}
}

// picture is every file with its mode and content.
func picture(t *testing.T, h *Host) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(h.Root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := ""
		if !d.IsDir() {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = string(b)
		}
		out[h.below(path)] = fmt.Sprintf("%v %q", info.Mode(), text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func differences(a, b map[string]string) []string {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(b)) {
		if a[path] != b[path] {
			out = append(out, path+": "+a[path]+" / "+b[path])
		}
	}
	for path := range a {
		if _, ok := b[path]; !ok {
			out = append(out, path+" is gone")
		}
	}
	return out
}

func status(t *testing.T, h *Host, id string) Finding {
	t.Helper()
	list, err := h.Check(Items())
	if err != nil {
		t.Fatal(err)
	}
	return list[slices.IndexFunc(list, func(f Finding) bool { return f.ID == id })]
}

// TestApplyAndRevert: everything is hardened, applying again changes nothing, and reverting leaves every byte and mode as it was.
func TestApplyAndRevert(t *testing.T) {
	h := machine(t)
	before := picture(t, h)
	if _, err := h.Apply(Items(), true); err != nil {
		t.Fatal(err)
	}
	if d := differences(before, picture(t, h)); len(d) > 0 {
		t.Errorf("a dry run changed something: %v", d)
	}
	if f := status(t, h, "HD-NET-005"); f.Status != Good || f.Applied {
		t.Errorf("what is good already: %+v", f)
	}
	if f := status(t, h, "HD-SYS-001"); f.Status != Wrong || !strings.Contains(f.Details[0], `kernel.kptr_restrict: "7" becomes "2"`) {
		t.Errorf("what is not: %+v", f)
	}
	if _, err := h.Apply(Items(), false); err != nil {
		t.Fatal(err)
	}
	findings, err := h.Check(Items())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Status != Good || f.Applied != (f.ID != "HD-NET-005") {
			t.Errorf("after apply: %s %s %v", f.ID, f.Status, f.Details)
		}
	}
	if b, err := os.ReadFile(h.at("/etc/sysctl.d/90-redoubt-hd-sys-007.conf")); err != nil || !strings.Contains(string(b), "fs.protected_symlinks = 1\n") {
		t.Errorf("after the next start: %q, %v", b, err)
	}
	if said, err := h.Apply(Items(), false); err != nil || len(said) > 0 {
		t.Errorf("a second time: %v, %v", said, err)
	}
	if said, err := h.Revert(Items(), true, false); err != nil || len(said) == 0 {
		t.Errorf("dry revert: %v, %v", said, err)
	}
	if _, err := h.Revert(Items(), false, false); err != nil {
		t.Fatal(err)
	}
	if d := differences(before, picture(t, h)); len(d) > 0 {
		t.Errorf("after revert: %v", d)
	}
	if said, err := h.Revert(Items(), false, false); err != nil || len(said) > 0 {
		t.Errorf("a second revert: %v, %v", said, err)
	}
}

// TestAuditRules: auditd records who changes anything of Redoubt's, who reads a key, and who runs the commands; nothing that the program keeps secret is forgotten.
func TestAuditRules(t *testing.T) {
	h := machine(t)
	put(t, h, "/var/lib/redoubt/log/commandlog", "", 0o600)
	put(t, h, "/usr/lib/redoubt/agents/x", "", 0o755)
	items, err := Select([]string{"HD-AUD-001", "HD-FIL-001"})
	if err != nil {
		t.Fatal(err)
	}
	put(t, h, "/var/lib/redoubt/log/commandlog.key", "key", 0o644)
	if _, err := h.Apply(items, false); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(h.at("/etc/audit/rules.d/60-redoubt.rules"))
	if err != nil {
		t.Fatal(err)
	}
	has := func(rule string) bool { return slices.Contains(strings.Split(string(text), "\n"), rule) }
	// Every file of a key that the daemon and the command log have names for.
	named := regexp.MustCompile(`"([a-z]+\.(?:key|pem))"`)
	keys := 0
	for pattern, folder := range map[string]string{"../daemon/*.go": "", "../auditfile/*.go": "log/"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			source, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range named.FindAllStringSubmatch(string(source), -1) {
				keys++
				if rule := "-w /var/lib/redoubt/" + folder + m[1] + " -p rwa -k redoubt-keys"; !has(rule) {
					t.Errorf("%s: nothing says %q in\n%s", f, rule, text)
				}
			}
		}
	}
	if keys < 7 {
		t.Errorf("%d keys were found", keys)
	}
	for _, p := range []string{"redoubt", "redoubtd", "redoubt-guard"} {
		for _, rule := range []string{"-w /usr/bin/" + p + " -p wa -k redoubt-programs", "-a always,exit -F path=/usr/bin/" + p + " -F perm=x -F auid!=-1 -k redoubt-commands"} {
			if !has(rule) {
				t.Errorf("nothing says %q in\n%s", rule, text)
			}
		}
	}
	for _, dir := range []string{"/etc/redoubt/ -p wa -k redoubt-config", "/usr/lib/redoubt/ -p wa -k redoubt-programs", "/var/lib/redoubt/log/ -p wa -k redoubt-log"} {
		if !has("-w " + dir) {
			t.Errorf("nothing watches %s in\n%s", dir, text)
		}
	}
	if info, err := os.Stat(h.at("/var/lib/redoubt/log/commandlog.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key of the command log: %v, %v", info, err)
	}
	// A rule for what is not there would keep auditd from loading those that follow.
	bare := &Host{Root: t.TempDir(), Now: h.Now}
	if rules := string(bare.auditRules()); strings.Contains(rules, "/etc/redoubt/") || strings.Contains(rules, "/log/") {
		t.Errorf("rules for folders that are not there:\n%s", rules)
	}
}

// TestCrash: wherever apply or revert breaks off, a revert leaves the machine as it was; also when the last line of the journal is half written.
func TestCrash(t *testing.T) {
	crash := errors.New("crash")
	items, err := Select([]string{"HD-SYS-001", "HD-NET-002", "HD-FIL-001", "HD-FIL-002", "HD-AUD-001", "HD-UNT-001"}) // one of each kind: each change is on the disk before the next
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; ; at++ {
		h := machine(t)
		before := picture(t, h)
		left := at
		h.made = func(change) error {
			if left--; left < 0 {
				return crash
			}
			return nil
		}
		_, err := h.Apply(items, false)
		if err != nil && !errors.Is(err, crash) {
			t.Fatal(err)
		}
		whole := err == nil
		torn, err := os.OpenFile(h.at(DefaultJournal), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := torn.WriteString(`{"time":"2026-0`); err != nil {
			t.Fatal(err)
		}
		torn.Close()
		left = at / 2
		if _, err := h.Revert(items, false, false); err != nil && !errors.Is(err, crash) {
			t.Fatal(err)
		}
		h.made = nil
		if _, err := h.Revert(items, false, false); err != nil {
			t.Fatal(err)
		}
		if d := differences(before, picture(t, h)); len(d) > 0 {
			t.Fatalf("broken off after change %d: %v", at, d)
		}
		if whole {
			return
		}
	}
}

// A folder that was made for a file stays where somebody has put another file into it, and nothing is made where the daemon has no unit.
func TestUnit(t *testing.T) {
	h := machine(t)
	items, err := Select([]string{"HD-UNT-001"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Apply(items, false); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(h.at(daemonDropIn)); err != nil || !strings.Contains(string(b), "NoNewPrivileges=yes") {
		t.Fatal(string(b), err)
	}
	own := filepath.Dir(daemonDropIn) + "/own.conf"
	put(t, h, own, "[Service]\n", 0o644)
	if _, err := h.Revert(items, false, false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(h.at(daemonDropIn)); !os.IsNotExist(err) {
		t.Error(err)
	}
	if _, err := os.Stat(h.at(own)); err != nil {
		t.Error(err)
	}
	if err := os.Remove(h.at("/usr/lib/systemd/system/redoubtd.service")); err != nil {
		t.Fatal(err)
	}
	if f := status(t, h, "HD-UNT-001"); f.Status == Wrong {
		t.Errorf("without a unit: %+v", f)
	}
}

// TestLineWithoutItsChange: the journal has a change that was not made any more.
func TestLineWithoutItsChange(t *testing.T) {
	h := machine(t)
	before := picture(t, h)
	items, err := Select([]string{"hd-sys-001"})
	if err != nil {
		t.Fatal(err)
	}
	j, err := openJournal(h.journal(), true)
	if err != nil {
		t.Fatal(err)
	}
	changes, _, err := h.plan(items[0])
	if err != nil || len(changes) != 2 {
		t.Fatalf("%v, %v", changes, err)
	}
	if err := j.add(changes[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Apply(items, false); err == nil {
		t.Error("two at once")
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if said, err := h.Revert(items, false, false); err != nil || len(said) != 0 {
		t.Errorf("%v, %v", said, err)
	}
	if d := differences(before, picture(t, h)); len(d) > 0 {
		t.Error(d)
	}
}

// TestOthersChanges: what somebody has changed since is not taken back, but with force; the rest is.
func TestOthersChanges(t *testing.T) {
	h := machine(t)
	before := picture(t, h)
	if _, err := h.Apply(Items(), false); err != nil {
		t.Fatal(err)
	}
	put(t, h, "/proc/sys/kernel/kptr_restrict", "1\n", 0o644)
	if _, err := h.Revert(Items(), false, false); err == nil || !strings.Contains(err.Error(), "kptr_restrict was changed by somebody else") {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(h.at("/proc/sys/kernel/kptr_restrict")); err != nil || string(b) != "1\n" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := h.Revert(Items(), false, true); err != nil {
		t.Fatal(err)
	}
	if d := differences(before, picture(t, h)); len(d) > 0 {
		t.Error(d)
	}
}

func TestSelectAndTable(t *testing.T) {
	if _, err := Select([]string{"HD-NOP-001"}); err == nil {
		t.Error("an item that there is not")
	}
	seen := map[string]bool{}
	for _, i := range Items() {
		if seen[i.ID] || i.Title == "" || i.Rationale == "" || i.Breaks == "" || (len(i.keys) == 0) == (i.files == nil) {
			t.Errorf("item %+v", i)
		}
		seen[i.ID] = true
	}
	// No auditd, no Redoubt, a kernel without any setting: nothing is there to be hardened.
	h := &Host{Root: t.TempDir(), Now: time.Now}
	findings, err := h.Check(Items())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Status != Absent {
			t.Errorf("%s of an empty machine: %s", f.ID, f.Status)
		}
	}
	put(t, h, "/etc/x", "", 0o644)
	if err := os.MkdirAll(h.at("/var/lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/x", h.at("/var/lib/redoubt")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Check(Items()); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("a link: %v", err)
	}
}

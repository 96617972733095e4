package deb

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const top = "../../.."

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "COMPRESSION=0")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// TestPackage builds the package, unpacks it into an empty root and runs what is in it.
func TestPackage(t *testing.T) {
	work := t.TempDir()
	bin, out, root := filepath.Join(work, "bin"), filepath.Join(work, "out"), filepath.Join(work, "root")
	run(t, top, "go", "build", "-trimpath", "-ldflags", "-s -w -X redoubt/internal/version.Version=v9.8.7-3-gabc", "-o", bin+"/", "./cmd/...")
	run(t, top, "scripts/deb", "v9.8.7-3-gabc", bin, out)
	files, err := filepath.Glob(filepath.Join(out, "redoubt_9.8.7+3+gabc_*.deb"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	run(t, top, "dpkg-deb", "-x", files[0], root)
	if got := strings.TrimSpace(run(t, root, filepath.Join(root, "usr/bin/redoubt"), "version")); got != "v9.8.7-3-gabc" {
		t.Errorf("the program says that it is %q", got)
	}
	// An old name leads to the program.
	if got := run(t, root, filepath.Join(root, "usr/lib/redoubt/bin/clrg"), "-V"); !strings.Contains(got, "v9.8.7") {
		t.Errorf("clrg -V: %q", got)
	}
	for _, path := range []string{
		"usr/bin/redoubtd", "usr/bin/redoubt-guard", "lib/systemd/system/redoubtd.service", "lib/systemd/system/redoubt-leave.service", "lib/systemd/system/redoubt-quorum-server.service",
		"usr/share/man/man8/redoubt.8.gz", "usr/share/man/man8/redoubt-guard.8.gz", "usr/share/man/man8/redoubt-harden-apply.8.gz", "usr/share/bash-completion/completions/redoubt", "usr/share/zsh/vendor-completions/_redoubt",
		"usr/share/doc/redoubt/quickstart.md", "usr/share/doc/redoubt/reference/checks.md", "usr/share/doc/redoubt/copyright", "usr/share/doc/redoubt/changelog.Debian.gz", "usr/lib/redoubt/types", "etc/redoubt/types",
	} {
		if _, err := os.Stat(filepath.Join(root, path)); err != nil {
			t.Error(err)
		}
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o022 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(run(t, top, "dpkg-deb", "-c", files[0])), "\n") {
		if !strings.Contains(line, " root/root ") {
			t.Errorf("not of root: %s", line)
		}
	}
	info := run(t, top, "dpkg-deb", "-f", files[0])
	if !strings.Contains(info, "Package: redoubt\n") || strings.Contains(info, "@VERSION@") {
		t.Errorf("control:\n%s", info)
	}
	scripts(t, files[0], filepath.Join(work, "machine"))
}

// scripts runs the maintainer scripts for a machine below root, each twice: the second time changes nothing.
func scripts(t *testing.T, file, root string) {
	t.Helper()
	control := filepath.Join(t.TempDir(), "control")
	run(t, top, "dpkg-deb", "-e", file, control)
	script := func(name string, args ...string) {
		t.Helper()
		for range 2 {
			c := exec.CommandContext(t.Context(), filepath.Join(control, name), args...)
			c.Env = append(os.Environ(), "DPKG_ROOT="+root)
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("%s %v: %v\n%s", name, args, err, out)
			}
		}
	}
	state := filepath.Join(root, "var/lib/redoubt")
	script("postinst", "configure", "")
	info, err := os.Stat(state)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("%v, %v", info, err)
	}
	for _, name := range []string{"ca.key", "harden.journal"} {
		if err := os.WriteFile(filepath.Join(state, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script("prerm", "remove")
	script("postrm", "remove")
	if _, err := os.Stat(filepath.Join(state, "ca.key")); err != nil {
		t.Errorf("removing takes the keys away: %v", err)
	}
	script("postrm", "purge")
	left, err := os.ReadDir(state)
	if err != nil || len(left) != 1 || left[0].Name() != "harden.journal" {
		t.Errorf("after purge: %v, %v", left, err)
	}
}

// unit reads the settings of a unit.
func unit(t *testing.T, name string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(top, "packaging/systemd", name))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			out[key] = value
		}
	}
	return out
}

// TestUnits: the quorum server, which runs nothing, is confined; the node, whose services inherit everything, has only what no service has a use for.
func TestUnits(t *testing.T) {
	q := unit(t, "redoubt-quorum-server.service")
	for key, want := range map[string]string{
		"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "PrivateDevices": "yes", "ProtectKernelModules": "yes", "MemoryDenyWriteExecute": "yes", "RestrictNamespaces": "yes",
		"LockPersonality": "yes", "SystemCallFilter": "@system-service", "CapabilityBoundingSet": "CAP_NET_ADMIN CAP_NET_RAW CAP_SYS_NICE CAP_IPC_LOCK CAP_DAC_OVERRIDE",
	} {
		if q[key] != want {
			t.Errorf("quorum server: %s=%s, want %s", key, q[key], want)
		}
	}
	inherited := []string{
		"ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateMounts", "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ProtectHostname",
		"ProtectProc", "NoNewPrivileges", "MemoryDenyWriteExecute", "RestrictNamespaces", "RestrictSUIDSGID", "RestrictRealtime", "SystemCallArchitectures", "ReadWritePaths", "PrivateNetwork", "PrivateUsers", "UMask", "DynamicUser",
	}
	n := unit(t, "redoubtd.service")
	for key := range n {
		if slices.Contains(inherited, key) {
			t.Errorf("redoubtd: %s would confine, or hide from the machine, what services do", key)
		}
	}
	for _, key := range []string{"CapabilityBoundingSet", "RestrictAddressFamilies", "SystemCallFilter"} {
		if key != "SystemCallFilter" && !strings.HasPrefix(n[key], "~") || n[key] == "" {
			t.Errorf("redoubtd: %s=%s is no list of what is taken away", key, n[key])
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("systemd-analyze is not installed: the units were only read")
		return
	}
	// In a root of its own the programs that the units name are there.
	root := t.TempDir()
	for _, dir := range []string{"usr/bin", "etc/systemd/system", "usr/lib/systemd/system"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"redoubtd.service", "redoubt-quorum-server.service", "redoubt-leave.service"} {
		text, err := os.ReadFile(filepath.Join(top, "packaging/systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, name)
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "/usr/bin/redoubtd", "/bin/true")), 0o600); err != nil {
			t.Fatal(err)
		}
		// What it says of other units of this machine is not of interest.
		said, _ := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", "--recursive-errors=no", path).CombinedOutput()
		for line := range strings.Lines(string(said)) {
			if strings.Contains(line, name) {
				t.Errorf("systemd-analyze verify: %s", line)
			}
		}
	}
	said := run(t, top, analyze, "security", "--offline=true", "--threshold=35", "--no-pager", "packaging/systemd/redoubt-quorum-server.service")
	if !strings.Contains(said, "Overall exposure level") {
		t.Errorf("systemd-analyze security: %s", said)
	}
}

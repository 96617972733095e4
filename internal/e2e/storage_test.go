package e2e_test

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"redoubt/internal/lab"
)

// command runs a program of the host.
func command(t *testing.T, words ...string) string {
	t.Helper()
	out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// sharedDisk is a file system on a device that every node reaches, with its root belonging to a user, and a directory to mount it on.
func sharedDisk(t *testing.T, owner string) (device, dir string) {
	t.Helper()
	u, err := user.Lookup(owner)
	if err != nil {
		t.Fatal(err)
	}
	dir, err = os.MkdirTemp("/var/lib", "redoubt-e2e-disk-") // where that user may come in
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	image := filepath.Join(dir, "image")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	command(t, "truncate", "-s", "64M", image)
	command(t, "mkfs.ext4", "-q", "-F", "-E", "root_owner="+u.Uid+":"+u.Gid, image)
	device = command(t, "losetup", "--find", "--show", image)
	t.Cleanup(func() { command(t, "losetup", "--detach", device) })
	return device, dir
}

// TestDatabaseOnSharedStorage: a database, its file system and its address, all by agents of others as they are, survive the death of their node with everything that was
// acknowledged; and go down in their order, so that the device is free.
func TestDatabaseOnSharedStorage(t *testing.T) {
	w := use(t, "e2e")
	device, dir := sharedDisk(t, "redis")
	mounted := filepath.Join(dir, "mnt")
	config := filepath.Join(dir, "redis.conf")
	const address, port = "10.77.0.131", "6391"
	text := "bind 0.0.0.0\nport " + port + "\nprotected-mode no\ndir " + mounted + "\nappendonly yes\nappendfsync always\nsave \"\"\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(config, 0o644); err != nil {
		t.Fatal(err)
	}
	redis := func(words ...string) string {
		out, err := w.Output(t.Context(), lab.Client, append([]string{"timeout", "3", "redis-cli", "-h", address, "-p", port}, words...)...)
		if err != nil {
			return "error " + err.Error()
		}
		return strings.TrimSpace(out)
	}
	is := func(want string, words ...string) {
		t.Helper()
		eventually(t, func() string {
			if got := redis(words...); got != want {
				return strings.Join(words, " ") + ": " + got
			}
			return ""
		})
	}
	source := func(node string) string {
		out, err := w.Output(t.Context(), node, "sh", "-c", "findmnt -n -o SOURCE "+mounted+" || true")
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}

	w.leave(t, "n2", "data-rg")
	for _, typ := range []string{"ocf:heartbeat:Filesystem", "ocf:heartbeat:redis", "ocf:heartbeat:IPaddr2"} {
		if !strings.Contains(w.do(t, "n2", "type", "list"), typ) {
			w.do(t, "n2", "type", "register", typ)
		}
	}
	w.do(t, "n2", "group", "create", "-n", "n1,n2", "-p", "Pingpong_interval=1", "data-rg")
	w.do(t, "n2", "resource", "create", "-g", "data-rg", "-t", "ocf:heartbeat:IPaddr2", "-p", "ip="+address, "-p", "cidr_netmask=24", "data-ip")
	w.do(t, "n2", "resource", "create", "-g", "data-rg", "-t", "ocf:heartbeat:Filesystem", "-p", "device="+device, "-p", "directory="+mounted, "-p", "fstype=ext4", "data-fs")
	w.do(t, "n2", "resource", "create", "-g", "data-rg", "-t", "ocf:heartbeat:redis", "-p", "config="+config, "-p", "port="+port, "-p", "rundir=/run/redoubt-e2e-redis", "-p", "pidfile_name=redis.pid",
		"-p", "socket_name=redis.sock", "-p", "Resource_dependencies=data-fs", "data-db")
	w.do(t, "n2", "group", "online", "-eM", "-n", "n1", "data-rg")
	is("OK", "set", "account", "17 pounds")
	if got := source("n1"); got != device {
		t.Errorf("the file system on n1 is %q, want %s", got, device)
	}
	if _, err := w.Kill("n1"); err != nil {
		t.Fatal(err)
	}
	is("17 pounds", "get", "account")
	if got := source("n2"); got != device {
		t.Errorf("after the death of n1 the file system on n2 is %q, want %s", got, device)
	}
	is("OK", "set", "account", "18 pounds")
	w.do(t, "n2", "group", "offline", "-y", "data-rg")
	if got := source("n2"); got != "" {
		t.Errorf("the group is offline, and %s is still mounted on n2", got)
	}
	w.do(t, "n2", "group", "online", "-n", "n2", "data-rg")
	is("18 pounds", "get", "account")
}

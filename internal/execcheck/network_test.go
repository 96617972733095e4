package execcheck

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNetworkFileSystemsAreKnown: by the number that statfs gives, and in user space by the name in the table of mounts.
func TestNetworkFileSystemsAreKnown(t *testing.T) {
	for magic, want := range map[int64]string{0x6969: "NFS", 0xff534d42: "CIFS", 0xfe534d42: "SMB", 0x00c36400: "Ceph", 0x01021997: "9P", 0xef53: "", 0x01021994: "", 0x58465342: ""} {
		if got := networks[uint32(magic)]; got != want {
			t.Errorf("%#x is %q, want %q", magic, got, want)
		}
	}
	const table = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n" +
		"30 21 0:40 / /home/bob/far rw - fuse.sshfs bob@far:/ rw,user_id=1000,group_id=1000\n" +
		"31 21 0:41 / /srv rw - fuse.sshfs far:/ rw,user_id=0,group_id=0\n" +
		"32 21 0:42 / /mnt rw - fuseblk /dev/sdb1 rw,user_id=0,group_id=0\n" +
		"33 21 0:43 / /odd rw - fuse.x x rw\n"
	for id, want := range map[string]struct {
		user   int
		remote string
	}{"30": {1000, "fuse.sshfs"}, "31": {0, "fuse.sshfs"}, "32": {0, ""}, "33": {nobody, ""}, "3": {nobody, ""}, "99": {nobody, ""}} {
		if user, remote := ofMount(table, id); user != want.user || remote != want.remote {
			t.Errorf("mount %s: user %d, %q; want %+v", id, user, remote, want)
		}
	}
	// And what lies on a disk of this machine is not taken for one.
	f, err := os.OpenFile("/var/lib", unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if fact, err := look(f, "/var/lib"); err != nil || fact.Remote != "" || len(fact.Writers) > 0 {
		t.Errorf("%+v, %v", fact, err)
	}
}

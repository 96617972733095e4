package ocf

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Directories that a package wants are made with their owners, also below those of a service; but a link that the service has put on the way, or in their place, leads nowhere.
func TestRunDirsFollowNoLinks(t *testing.T) {
	base, outside := t.TempDir(), t.TempDir()
	const service = 64127
	for _, err := range []error{
		os.Mkdir(filepath.Join(base, "svc"), 0o755), os.Symlink(outside, filepath.Join(base, "svc", "way")), os.Symlink(outside, filepath.Join(base, "svc", "end")),
		os.Chown(filepath.Join(base, "svc"), service, service),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]error{"svc/new/er": nil, "plain": nil, "svc": nil, "svc/way/planted": unix.ELOOP, "svc/end": unix.ELOOP} {
		r := runDir{path: filepath.Join(base, path), mode: unixMode(0o2750)}
		if err := r.below(service, service); !errors.Is(err, want) && (want == nil || !errors.Is(err, unix.ENOTDIR)) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	owner := func(path string) (int, os.FileMode) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return int(info.Sys().(*syscall.Stat_t).Uid), info.Mode()
	}
	if uid, mode := owner(filepath.Join(base, "svc/new/er")); uid != service || mode != os.ModeDir|os.ModeSetgid|0o750 {
		t.Errorf("made for %d with %v", uid, mode)
	}
	if uid, _ := owner(filepath.Join(base, "svc/new")); uid != 0 {
		t.Errorf("what is only on the way was given to %d", uid)
	}
	if uid, mode := owner(filepath.Join(base, "svc")); uid != service || mode.Perm() != 0o755 {
		t.Error("what was there was changed")
	}
	if uid, _ := owner(outside); uid != 0 {
		t.Error("a directory outside was given away")
	}
	if list, err := os.ReadDir(outside); err != nil || len(list) != 0 {
		t.Errorf("made outside: %v, %v", list, err)
	}
}

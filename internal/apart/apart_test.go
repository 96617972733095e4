package apart_test

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"redoubt/internal/apart"
)

func TestTheFirstThreadStaysAsItIs(t *testing.T) {
	before, err := os.Readlink("/proc/self/ns/uts")
	if err != nil {
		t.Fatal(err)
	}
	first := 0
	for range 5000 { // a plain goroutine would be on the first thread in many of them, which is counted below
		seen := make(chan bool)
		go func() { seen <- unix.Gettid() == os.Getpid() }()
		if <-seen {
			first++
		}
		err := apart.Do(func() error {
			if unix.Gettid() == os.Getpid() {
				return errors.New("on the first thread")
			}
			return unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWUTS)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if after, err := os.Readlink("/proc/self/ns/uts"); err != nil || after != before {
		t.Errorf("the process is in %s, was in %s (error %v)", after, before, err)
	}
	if first == 0 {
		t.Error("no plain goroutine was on the first thread: this test can not fail")
	}
}

// A caller that is itself bound to the first thread is no reason to wait for ever.
func TestFromTheFirstThread(t *testing.T) {
	want := errors.New("what f said")
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := apart.Do(func() error { return want }); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
}

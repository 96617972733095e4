package proc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// events tells when cgroups become empty. One inotify instance serves every waiter (instances are scarce).
type events struct {
	file *os.File
	mu   sync.Mutex
	subs map[int32]map[chan struct{}]bool // by watch descriptor
	ids  map[string]int32                 // the newest watch descriptor of a path
	end  chan struct{}
}

func openEvents() (*events, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make inotify: %w; raise fs.inotify.max_user_instances", err)
	}
	e := &events{file: os.NewFile(uintptr(fd), "inotify"), subs: map[int32]map[chan struct{}]bool{}, ids: map[string]int32{}, end: make(chan struct{})}
	go e.read()
	return e, nil
}

func (e *events) close() error {
	err := e.file.Close()
	<-e.end
	return err
}

func (e *events) read() {
	defer close(e.end)
	buf := make([]byte, 64<<10)
	for {
		n, err := e.file.Read(buf)
		if err != nil {
			return
		}
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			wd, mask := int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[4:])
			size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
			if size > len(b) {
				break
			}
			b = b[size:]
			e.wake(wd, mask)
		}
	}
}

func (e *events) wake(wd int32, mask uint32) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if mask&unix.IN_Q_OVERFLOW == 0 {
		e.tell(wd)
		return
	}
	for id := range e.subs {
		e.tell(id)
	}
}

// tell makes those look again who wait for one watch.
func (e *events) tell(wd int32) {
	for c := range e.subs[wd] {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// removed makes those look again who wait for a cgroup that was removed: not every kernel tells them. All others know nothing new, and there can be thousands of them.
func (e *events) removed(dir string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if id, ok := e.ids[eventsOf(dir)]; ok {
		e.tell(id)
	}
}

// turns lets a few at a time do something, and the others wait without a thread of the system.
type turns chan struct{}

func (t turns) do(f func()) {
	t <- struct{}{}
	defer func() { <-t }()
	f()
}

// few look at cgroups and remove them at once. The kernel lets one after the other do so, and each that waits for it there takes a thread: when the guard ends thousands of services, thousands of them,
// each with the priority of the daemon.
var few = make(turns, 8)

// eventsOf is the file in which the kernel says whether a cgroup is empty.
func eventsOf(dir string) string { return filepath.Join(dir, "cgroup.events") }

func (e *events) subscribe(path string) (wake chan struct{}, cancel func(), err error) {
	rc, err := e.file.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var wd int
	cerr := rc.Control(func(fd uintptr) {
		wd, err = unix.InotifyAddWatch(int(fd), path, unix.IN_MODIFY|unix.IN_DELETE_SELF)
	})
	if err := errors.Join(cerr, err); err != nil {
		return nil, nil, err
	}
	id := int32(wd)
	e.ids[path] = id
	wake = make(chan struct{}, 1)
	if e.subs[id] == nil {
		e.subs[id] = map[chan struct{}]bool{}
	}
	e.subs[id][wake] = true
	return wake, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.subs[id], wake)
		if len(e.subs[id]) == 0 {
			delete(e.subs, id)
			if e.ids[path] == id {
				delete(e.ids, path)
			}
			// The watch is gone already when its cgroup was removed.
			_ = rc.Control(func(fd uintptr) { _, _ = unix.InotifyRmWatch(int(fd), uint32(id)) })
		}
	}, nil
}

// awaitEmpty returns when no process is left in the cgroup and below it, or when it does not exist, or with ctx.Err().
func (e *events) awaitEmpty(ctx context.Context, dir string) error {
	path := eventsOf(dir)
	wake, cancel, err := e.subscribe(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	defer cancel()
	for {
		full := false
		few.do(func() { full = populated(path) })
		if !full {
			return nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		case <-e.end:
			return errors.New("the launcher was closed")
		}
	}
}

func populated(path string) bool {
	b, err := os.ReadFile(path)
	return err == nil && bytes.Contains(b, []byte("populated 1"))
}

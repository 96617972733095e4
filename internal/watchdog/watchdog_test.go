package watchdog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// machine is a machine with a watchdog: the file is the device, what was written to it is what the hardware saw.
type machine struct {
	path     string
	options  uint32
	shortest int // seconds; the driver grants no less
	longest  int // seconds; more is refused
	seconds  int
	silent   bool // does not say its timeout
	broken   bool // is no watchdog
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{path: filepath.Join(t.TempDir(), "watchdog"), options: unix.WDIOF_MAGICCLOSE | unix.WDIOF_SETTIMEOUT, shortest: 2, longest: 60, seconds: 30}
	if err := os.WriteFile(m.path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *machine) support(int) (uint32, string, error) {
	if m.broken {
		return 0, "", unix.ENOTTY
	}
	return m.options, "Test watchdog", nil
}

func (m *machine) setTimeout(_ int, s int) error {
	if s > m.longest {
		return unix.EINVAL
	}
	m.seconds = max(s, m.shortest)
	return nil
}

func (m *machine) timeout(int) (int, error) {
	if m.silent {
		return 0, unix.ENOTTY
	}
	return m.seconds, nil
}

// wrote is what has been written to the device since it was made.
func (m *machine) wrote(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(m.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLifeOfAWatchdog(t *testing.T) {
	m := newMachine(t)
	w, err := open(m.path, 9500*time.Millisecond, m)
	if err != nil {
		t.Fatal(err)
	}
	if w.Timeout() != 10*time.Second || w.Interval() != 2500*time.Millisecond || w.Identity() != "Test watchdog" || len(w.Warnings()) != 0 {
		t.Errorf("timeout %v, interval %v, identity %q, warnings %q", w.Timeout(), w.Interval(), w.Identity(), w.Warnings())
	}
	if err := w.Feed(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.File().Write([]byte{0}); err != nil { // as the guard does
		t.Fatal(err)
	}
	if got := m.wrote(t); got != "\x00\x00" {
		t.Errorf("the device was written %q: feeding must not disarm", got)
	}
	if err := w.Disarm(); err != nil {
		t.Fatal(err)
	}
	if got := m.wrote(t); got != "\x00\x00V" {
		t.Errorf("the device was written %q: want the magic letter last", got)
	}
	if err := w.Feed(); err == nil {
		t.Error("a stopped watchdog was fed")
	}
	if err := w.Disarm(); err == nil || !strings.Contains(err.Error(), "may be reset") {
		t.Errorf("stopping what is closed: %v", err)
	}
}

func TestTimeouts(t *testing.T) {
	for name, c := range map[string]struct {
		change   func(*machine)
		ask      time.Duration
		want     time.Duration
		warnings int
	}{
		"as asked":              {func(*machine) {}, 20 * time.Second, 20 * time.Second, 0},
		"too short for feeding": {func(*machine) {}, time.Second, MinTimeout, 0},
		"the driver's least":    {func(m *machine) { m.shortest = 16 }, 10 * time.Second, 16 * time.Second, 0},
		"refused":               {func(m *machine) { m.longest = 8 }, 10 * time.Second, 30 * time.Second, 1},
		"unknown":               {func(m *machine) { m.silent = true }, 10 * time.Second, 10 * time.Second, 1},
		"stops when closed":     {func(m *machine) { m.options = 0 }, 10 * time.Second, 10 * time.Second, 1},
	} {
		m := newMachine(t)
		c.change(m)
		w, err := open(m.path, c.ask, m)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if w.Timeout() != c.want || len(w.Warnings()) != c.warnings {
			t.Errorf("%s: timeout %v, warnings %q: want %v and %d of them", name, w.Timeout(), w.Warnings(), c.want, c.warnings)
		}
	}
}

func TestFailedStartLeavesNothingRunning(t *testing.T) {
	for name, change := range map[string]func(*machine){
		"no watchdog":       func(m *machine) { m.broken = true },
		"timeout too short": func(m *machine) { m.longest, m.seconds = 1, 1 },
	} {
		m := newMachine(t)
		change(m)
		if _, err := open(m.path, 10*time.Second, m); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), m.path) {
			t.Errorf("%s: %v", name, err)
		}
		if got := m.wrote(t); got != "V" {
			t.Errorf("%s: the device was written %q, want it disarmed", name, got)
		}
	}
}

func TestThereIsNone(t *testing.T) {
	for _, path := range []string{None, "", filepath.Join(t.TempDir(), "watchdog")} {
		if _, err := Open(path, time.Minute); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %v, want not found", path, err)
		}
	}
}

// TestRealRequests asks things that are no watchdog: the requests reach the kernel and are refused.
func TestRealRequests(t *testing.T) {
	m := newMachine(t)
	if _, err := Open(m.path, time.Minute); !fault.Is(err, fault.Invalid) || m.wrote(t) != "" {
		t.Errorf("a plain file: %v; it was written %q", err, m.wrote(t))
	}
	if _, err := Open(os.DevNull, time.Minute); !fault.Is(err, fault.Unsupported) || !strings.Contains(err.Error(), "not a watchdog") {
		t.Errorf("another device: %v", err)
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := ioctls{}
	if err := d.setTimeout(int(f.Fd()), 10); err == nil {
		t.Error("another device took a timeout")
	}
	if _, err := d.timeout(int(f.Fd())); err == nil {
		t.Error("another device has a timeout")
	}
}

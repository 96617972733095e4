// Package watchdog opens the hardware watchdog of a machine: a timer that resets the machine when nobody has written to it in time. The guard feeds it;
// when the guard can not end what it has to end, or nothing runs any more at all, the machine ends instead.
package watchdog

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
)

// None is the path that means: use no watchdog.
const None = "none"

// MinTimeout is the shortest timeout that Open asks for: the guard feeds once a second at best.
const MinTimeout = 5 * time.Second

// Device is an open watchdog. It runs from Open on.
type Device struct {
	file     *os.File
	identity string
	timeout  time.Duration
	warnings []string
}

// driver is what the kernel's driver of the device is asked.
type driver interface {
	support(fd int) (options uint32, identity string, err error)
	setTimeout(fd int, seconds int) error
	timeout(fd int) (seconds int, err error)
}

// Open starts the watchdog at path with a timeout, rounded up to whole seconds; the driver may choose another one near it (see Timeout). The error has the code
// NotFound when there is none or path is None, and Precondition when somebody else feeds it.
func Open(path string, timeout time.Duration) (*Device, error) {
	// Stopping a watchdog is a write: it must not go to a file that was named by mistake.
	if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeCharDevice == 0 {
		return nil, fault.Errorf(fault.Invalid, "hardware watchdog %s: it is not a device; name the watchdog's device file or set watchdog: none", path)
	}
	return open(path, timeout, ioctls{})
}

func open(path string, timeout time.Duration, d driver) (*Device, error) {
	if path == None || path == "" {
		return nil, fault.Errorf(fault.NotFound, "no hardware watchdog is configured: a machine that freezes is not reset")
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	switch {
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO):
		return nil, fault.Errorf(fault.NotFound, "hardware watchdog %s: there is none; load its driver or set watchdog: none: %w", path, err)
	case errors.Is(err, unix.EBUSY):
		return nil, fault.Errorf(fault.Precondition, "hardware watchdog %s is in use; end what feeds it (RuntimeWatchdogSec= of systemd, the watchdog daemon) or set watchdog: none: %w", path, err)
	case err != nil:
		return nil, fault.Errorf(fault.Unsupported, "hardware watchdog: %w", err)
	}
	w := &Device{file: f}
	// From here on it runs: whatever fails, it must not be left running without anybody to feed it.
	if err := w.setUp(path, max(timeout, MinTimeout), d); err != nil {
		return nil, errors.Join(err, w.Disarm())
	}
	return w, nil
}

func (w *Device) setUp(path string, want time.Duration, d driver) error {
	fd, err := w.fd()
	if err != nil {
		return fault.Errorf(fault.Internal, "hardware watchdog %s: %w", path, err)
	}
	options, identity, err := d.support(fd)
	if err != nil {
		return fault.Errorf(fault.Unsupported, "hardware watchdog %s: it is not a watchdog: %w", path, err)
	}
	w.identity = identity
	seconds := int((want + time.Second - 1) / time.Second)
	if err := d.setTimeout(fd, seconds); err != nil {
		w.warnings = append(w.warnings, fmt.Sprintf("hardware watchdog %s (%s) does not take a timeout of %d s: %v", path, identity, seconds, err))
	}
	have, err := d.timeout(fd)
	if err != nil {
		have = seconds
		w.warnings = append(w.warnings, fmt.Sprintf("hardware watchdog %s (%s) does not say its timeout; %d s are assumed", path, identity, seconds))
	}
	w.timeout = time.Duration(have) * time.Second
	if w.timeout < MinTimeout {
		return fault.Errorf(fault.Unsupported, "hardware watchdog %s (%s): its timeout of %v is shorter than %v, in which it can be fed with certainty; set watchdog: none", path, identity, w.timeout, MinTimeout)
	}
	if options&unix.WDIOF_MAGICCLOSE == 0 {
		w.warnings = append(w.warnings, fmt.Sprintf("hardware watchdog %s (%s) stops when its last user ends, by whatever cause: it does not cover the death of guard and daemon", path, identity))
	}
	return nil
}

// fd gives the descriptor without making the file blocking.
func (w *Device) fd() (fd int, err error) {
	rc, err := w.file.SyscallConn()
	if err != nil {
		return -1, err
	}
	err = rc.Control(func(n uintptr) { fd = int(n) })
	return fd, err
}

// File is the open device, for guardlink.Link.Watchdog. The guard gets a duplicate: the watchdog runs until both are closed.
func (w *Device) File() *os.File { return w.file }

// Identity is what the driver calls itself.
func (w *Device) Identity() string { return w.identity }

// Timeout is how long after the last feeding the machine is reset.
func (w *Device) Timeout() time.Duration { return w.timeout }

// Interval is how often to feed it: three feedings may be missed.
func (w *Device) Interval() time.Duration { return w.timeout / 4 }

// Warnings say, in words for people, what this watchdog is not good for.
func (w *Device) Warnings() []string { return w.warnings }

// Feed puts the reset off once more.
func (w *Device) Feed() error {
	if _, err := w.file.Write([]byte{0}); err != nil {
		return fault.Errorf(fault.Internal, "feed hardware watchdog: %w", err)
	}
	return nil
}

// Disarm stops the watchdog and closes it. Where a guard holds it, it runs on and is the guard's to stop. Some kernels are built never to stop a watchdog; the machine is then reset
// unless somebody opens it anew.
func (w *Device) Disarm() error {
	_, err := w.file.Write([]byte("V"))
	if err = errors.Join(err, w.file.Close()); err != nil {
		return fault.Errorf(fault.Internal, "stop hardware watchdog: %w; the machine may be reset in %v", err, w.timeout)
	}
	return nil
}

// ioctls is the driver of a real device.
type ioctls struct{}

func (ioctls) support(fd int) (uint32, string, error) {
	info, err := unix.IoctlGetWatchdogInfo(fd)
	if err != nil {
		return 0, "", err
	}
	name, _, _ := strings.Cut(string(info.Identity[:]), "\x00")
	return info.Options, name, nil
}

func (ioctls) setTimeout(fd int, seconds int) error {
	return unix.IoctlSetPointerInt(fd, unix.WDIOC_SETTIMEOUT, seconds)
}

func (ioctls) timeout(fd int) (int, error) {
	n, err := unix.IoctlGetUint32(fd, unix.WDIOC_GETTIMEOUT)
	return int(n), err
}

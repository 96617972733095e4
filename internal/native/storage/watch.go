package storage

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/native/property"
)

// defaultProbeInterval is the interval of write probes in seconds for resources that have none.
const defaultProbeInterval = 60

// writeScript writes a file, waits until it is on the device, and removes it. The directory may belong to a service: a link that somebody has put there is removed, and what comes
// after it is not followed.
const writeScript = `f=$1/.redoubt-probe-$2; rm -f "$f" && echo "$$" | dd of="$f" conv=excl,fsync status=none && rm -f "$f"`

// Watch reports when the kernel says that the mount has gone or is read-only all at once, and when a write does not succeed in time.
func (t *Type) Watch(ctx context.Context, call agent.Call, report func(agent.Observation)) {
	point := property.Text(call, "Mount_point")
	var wish mount
	if mounts, err := mountTable(); err == nil {
		if m := mounts.at(point); m != nil {
			wish = *m
		}
	}
	// Not as it is found: it may have become read-only before anybody watched.
	wish.readOnly = slices.Contains(strings.Split(property.Text(call, "Mount_options"), ","), "ro")
	changes, err := subscribe(ctx)
	if err != nil {
		t.cfg.Log.Error("mounts can not be watched", "resource", call.Resource.Name, "cause", err.Error())
		return
	}
	probes := make(chan error)
	if property.Bool(call, "Probe_write", false) {
		go t.probing(ctx, call, point, probes)
	}
	last := ""
	tell := func(why string) {
		switch {
		case why == "" && last != "":
			report(agent.Observation{Kind: agent.Healthy})
		case why != "" && why != last:
			report(agent.Observation{Kind: agent.Failed, Message: why})
		}
		last = why
	}
	tell(judge(point, wish))
	// A file system that the kernel made read-only after an error changes the table without an event.
	tick := time.NewTicker(interval(call))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			tell(judge(point, wish))
		case _, ok := <-changes:
			if !ok {
				return
			}
			tell(judge(point, wish))
		case err := <-probes:
			why := judge(point, wish)
			if err != nil && why == "" {
				why, last = err.Error(), "" // each failure counts
			}
			tell(why)
		}
	}
}

// judge says what is wrong with the mount, "" when nothing is. wish is how it was when the watch began and how it shall be mounted; without a point, it was not there.
func judge(point string, wish mount) string {
	mounts, err := mountTable()
	if err != nil {
		return err.Error()
	}
	m := mounts.at(point)
	switch {
	case m == nil:
		return fmt.Sprintf("nothing is mounted on %s any more", point)
	case wish.point != "" && (m.major != wish.major || m.minor != wish.minor):
		return fmt.Sprintf("%s was mounted over %s", m.source, point)
	case m.readOnly && !wish.readOnly:
		return fmt.Sprintf("the file system on %s became read-only", point)
	}
	return ""
}

// subscribe returns a channel with a token for every change of the table of mounts, until ctx ends. Tokens do not pile up.
func subscribe(ctx context.Context) (<-chan struct{}, error) {
	// Not by package os: its poller would ask the file too, and each change is told only to who asks first.
	table, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe() // its end wakes the poll
	if err != nil {
		unix.Close(table)
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { w.Close() })
	out := make(chan struct{}, 1)
	go func() {
		defer close(out)
		defer unix.Close(table)
		defer r.Close()
		defer w.Close()
		defer stop()
		fds := []unix.PollFd{{Fd: int32(table), Events: unix.POLLPRI}, {Fd: int32(r.Fd()), Events: unix.POLLIN}}
		for ctx.Err() == nil {
			fds[0].Revents, fds[1].Revents = 0, 0
			if n, err := unix.Poll(fds, -1); n <= 0 && err != nil && err != unix.EINTR {
				return
			}
			if fds[0].Revents != 0 {
				select {
				case out <- struct{}{}:
				default:
				}
			}
		}
	}()
	return out, nil
}

func interval(call agent.Call) time.Duration {
	if n := call.Resource.ThoroughProbeInterval; n > 0 {
		return time.Duration(n) * time.Second
	}
	return defaultProbeInterval * time.Second
}

// probing writes at every interval, in a process of its own: a device that hangs hangs only that.
func (t *Type) probing(ctx context.Context, call agent.Call, point string, out chan<- error) {
	tick := time.NewTicker(interval(call))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		limit := property.Seconds(call, "Probe_timeout", 30)
		res := t.cfg.Launcher.Run(ctx, agent.Program{
			Ref: ref(call), Label: "Probe", Path: "/bin/sh", Args: []string{"-c", writeScript, "probe", point, string(call.Resource.Name)},
			Env: []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}, Timeout: limit,
		})
		var err error
		switch {
		case res.Aborted:
			return
		case res.TimedOut:
			err = fmt.Errorf("a write to %s did not end within %v", point, limit)
		case res.Err != nil || res.Exit != 0:
			err = failure(ctx, "write to "+point, res)
		}
		select {
		case out <- err:
		case <-ctx.Done():
			return
		}
	}
}

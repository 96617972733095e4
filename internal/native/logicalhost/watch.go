package logicalhost

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/native/property"
)

// Watch reports when the kernel says that an address was taken away or its interface lost its link. Nothing is polled.
func (t *Type) Watch(ctx context.Context, call agent.Call, report func(agent.Observation)) {
	events, err := subscribe(ctx)
	if err != nil {
		t.cfg.Log.Error("addresses can not be watched", "resource", call.Resource.Name, "cause", err.Error())
		return
	}
	host, err := t.look()
	if err != nil {
		t.cfg.Log.Error("addresses can not be watched", "resource", call.Resource.Name, "cause", err.Error())
		return
	}
	places, err := t.held(ctx, call, host)
	if err != nil {
		t.cfg.Log.Error("addresses can not be watched", "resource", call.Resource.Name, "cause", err.Error())
		return
	}
	w := watcher{places: places, grace: property.Milliseconds(call, "Link_grace_ms", 500), report: report}
	w.see(host)
	defer w.stop()
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-events:
			if !ok {
				if ctx.Err() == nil {
					t.cfg.Log.Error("addresses are not watched any more: the kernel's messages ended", "resource", call.Resource.Name)
				}
				return
			}
		case <-w.patience:
			w.givenUp, w.patience = true, nil
		}
		if host, err = t.look(); err != nil {
			t.cfg.Log.Warn("addresses could not be looked at", "resource", call.Resource.Name, "cause", err.Error())
			continue
		}
		w.see(host)
	}
}

// watcher turns what the host looks like into observations, each reported once.
type watcher struct {
	places   []place
	grace    time.Duration
	report   func(agent.Observation)
	last     agent.Observation
	timer    *time.Timer
	patience <-chan time.Time
	givenUp  bool // the link did not come back in time
}

func (w *watcher) see(h *host) {
	o := w.judge(h)
	switch {
	case o.Kind == agent.Degraded && w.timer == nil && w.grace > 0:
		w.timer = time.NewTimer(w.grace)
		w.patience = w.timer.C
	case o.Kind != agent.Degraded && o.Kind != agent.Giveover:
		w.stop()
	}
	if o.Kind == agent.Degraded && (w.givenUp || w.grace <= 0) {
		o.Kind = agent.Giveover
	}
	if o != w.last && (o.Kind != agent.Healthy || w.last.Kind != "") {
		w.report(o)
	}
	w.last = o
}

func (w *watcher) stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.timer, w.patience, w.givenUp = nil, nil, false
}

// judge says how the worst of the addresses is. A link without carrier comes first: the kernel takes IPv6 addresses away when a
// link is set down, and a restart would not bring them back.
func (w *watcher) judge(h *host) agent.Observation {
	o := agent.Observation{Kind: agent.Healthy}
	for _, p := range w.places {
		l := h.links[p.link]
		if l == nil {
			return agent.Observation{Kind: agent.Failed, Message: fmt.Sprintf("interface %s of address %s was removed", p.link, p.prefix)}
		}
		if !l.up() {
			o = agent.Observation{Kind: agent.Degraded, Message: fmt.Sprintf("interface %s of address %s has no link", p.link, p.prefix)}
			continue
		}
		if there, err := h.has(p); (!there || err != nil) && o.Kind == agent.Healthy {
			o = agent.Observation{Kind: agent.Failed, Message: fmt.Sprintf("address %s was removed from interface %s", p.prefix, p.link)}
		}
	}
	return o
}

// subscribe returns a channel with a token for every change of an interface or an address, until ctx ends. Tokens do not pile up.
func subscribe(ctx context.Context) (<-chan struct{}, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, err
	}
	groups := uint32(1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_IPV4_IFADDR-1) | 1<<(unix.RTNLGRP_IPV6_IFADDR-1))
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "rtnetlink")
	out := make(chan struct{}, 1)
	go func() {
		defer close(out)
		defer f.Close()
		stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
		defer stop()
		buf := make([]byte, 64<<10)
		for {
			n, err := f.Read(buf)
			lost := errors.Is(err, unix.ENOBUFS) // messages were dropped: look
			if err != nil && !lost {
				return
			}
			if lost || relevant(buf[:n]) {
				select {
				case out <- struct{}{}:
				default:
				}
			}
		}
	}()
	return out, nil
}

// relevant leaves out what the guard does every second: the renewal of an address that is there.
func relevant(b []byte) bool {
	renewals := true
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return true
		}
		if binary.NativeEndian.Uint16(b[4:]) != unix.RTM_NEWADDR {
			renewals = false
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return !renewals
}

package etcdstore

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"redoubt/internal/fault"
)

// TestFatalErrorEndsTheMemberOnly has etcd say what it ends the process with.
func TestFatalErrorEndsTheMemberOnly(t *testing.T) {
	for what, say := range map[string]func(m *Member){
		"fatal": func(m *Member) { m.etcd.GetLogger().Fatal("the log can not be written") },
		"panic": func(m *Member) { m.etcd.GetLogger().Panic("the log can not be written") },
	} {
		m := newMembers(t)
		member := m.start(1, ModeNew, nil)
		survived := make(chan struct{})
		go func() {
			defer close(survived)
			say(member)
			t.Errorf("%s: etcd goes on", what)
		}()
		waitFor(t, "the goroutine ends", survived)
		waitFor(t, "the member stops", member.Done())
		if err := member.Err(); !fault.Is(err, fault.Internal) || !strings.Contains(err.Error(), "the log can not be written") || !strings.Contains(err.Error(), member.cfg.Dir) {
			t.Fatalf("%s: %v", what, err)
		}
		for _, address := range []string{m.endpoint(1), hostPort(m.ip(1), m.peer)} {
			l, err := net.Listen("tcp", address)
			if err != nil {
				t.Fatalf("%s: the member still listens: %v", what, err)
			}
			l.Close()
		}
	}
}

// TestCloseIsQuick closes a leader that has watches open.
func TestCloseIsQuick(t *testing.T) {
	m := newMembers(t)
	m.start(1, ModeNew, nil)
	s := m.open(1)
	follow(t, s, "k")
	follow(t, s, "l")
	began := time.Now()
	m.stop("n1")
	if d := time.Since(began); d > time.Second {
		t.Fatalf("the end took %v", d)
	}
}

func TestConfigIsChecked(t *testing.T) {
	m := newMembers(t)
	for what, change := range map[string]func(c *MemberConfig){
		"no address":    func(c *MemberConfig) { c.Address = "n1" },
		"no mode":       func(c *MemberConfig) { c.Mode = "" },
		"not a peer":    func(c *MemberConfig) { c.Mode = ModeJoin },
		"hasty voters":  func(c *MemberConfig) { c.Heartbeat, c.Election = 100*time.Millisecond, 200*time.Millisecond },
		"no key":        func(c *MemberConfig) { c.TLS.Key = "/nonexistent" },
		"wrong address": func(c *MemberConfig) { c.Address = "192.0.2.1" },
	} {
		cfg := m.config(1, ModeNew, nil)
		cfg.Log = slog.New(slog.DiscardHandler)
		change(&cfg)
		if member, err := StartMember(t.Context(), cfg); err == nil {
			member.Close()
			t.Errorf("%s: it starts", what)
		}
	}
}

package fence_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"redoubt/internal/fault"
	"redoubt/internal/fence"
	"redoubt/internal/rgm/model"
)

func TestMetadata(t *testing.T) {
	b := newBench(t, nil)
	m, err := b.fencer.Metadata(context.Background(), "fence_test")
	must(t, err)
	if m.Agent != "fence_test" || m.Description != "Fence agent for a machine in a file" || len(m.Parameters) != 10 || !slices.Contains(m.Actions, "status") {
		t.Errorf("got %+v", m)
	}
	p, ok := m.Parameter("PRIVLVL")
	want := fence.Parameter{Name: "privlvl", Description: "Privilege level", Type: "select", Default: "administrator", Values: []string{"callback", "administrator"}}
	if d := cmp.Diff(want, p); !ok || d != "" {
		t.Error(d)
	}
	if ip, _ := m.Parameter("ip"); !ip.Required || ip.Obsoletes != "ipaddr" {
		t.Errorf("ip is %+v", ip)
	}
	// The agent is asked again only when it has changed.
	_, err = b.fencer.Metadata(context.Background(), "fence_test")
	must(t, err)
	if got := b.read("described"); got != "run\n" {
		t.Errorf("the agent was asked: %q", got)
	}
	later := time.Now().Add(time.Hour)
	must(t, os.Chtimes(filepath.Join(b.dir, "fence_test"), later, later))
	_, err = b.fencer.Metadata(context.Background(), "fence_test")
	must(t, err)
	if got := b.read("described"); got != "run\nrun\n" {
		t.Errorf("a changed agent was not asked: %q", got)
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		node model.Node
		want []string // parts of the error; none: valid
	}{
		"valid":                {node("lanplus=1", "privlvl=callback", "power_wait=2.5", "action=reboot"), nil},
		"no agent":             {model.Node{Name: "n2"}, nil},
		"deprecated name":      {func() model.Node { n := node(); n.Fence.Options[0].Name = "ipaddr"; return n }(), nil},
		"dashes":               {node("power-wait=1"), nil},
		"unknown option":       {node("login=admin"), []string{"n2", "fence_test", "no option login", "privlvl, lanplus"}},
		"required is missing":  {func() model.Node { n := node(); n.Fence.Options = nil; return n }(), []string{"option ip is required", "secrets/n2 on every node"}},
		"secret of other node": {func() model.Node { n := node(); n.Name = "n3"; return n }(), []string{"option password is required", "secrets/n3"}},
		"secret in the open":   {func() model.Node { n := node("password=" + "hidden"); n.Name = "n3"; return n }(), []string{"password is a secret", "secrets/n3"}},
		"not a number":         {node("power_wait=long"), []string{`power_wait is "long"`, "a number"}},
		"not a boolean":        {node("lanplus=maybe"), []string{"true or false"}},
		"not in the list":      {node("privlvl=god"), []string{"callback, administrator"}},
		"no such action":       {node("action=destroy"), []string{"off or reboot"}},
		"everything at once":   {node("login=admin", "lanplus=maybe", "privlvl=god"), []string{"3 problems", "login", "maybe", "god"}},
	} {
		b := newBench(t, nil)
		err := b.fencer.Validate(context.Background(), c.node)
		if len(c.want) == 0 {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want it invalid", name, err)
			continue
		}
		for _, part := range c.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q is not in: %v", name, part, err)
			}
		}
		if b.read("actions") != "" {
			t.Errorf("%s: checking has done something", name)
		}
		b.leaks(err)
	}
	// The value of a secret is not repeated, even if it is what is wrong.
	b := newBench(t, nil)
	b.write("secrets/n2", "password="+password+"\ntoken=s3cr3t-token\n", 0o600)
	err := b.fencer.Validate(context.Background(), node())
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), `token is "***"`) {
		t.Errorf("got %v", err)
	}
	b.leaks(err)
	// An agent without the action.
	b.write("secrets/n2", "password=x\n", 0o600)
	b.write("description", strings.Replace(description, `<action name="reboot" />`, "", 1), 0o644)
	fresh := fence.New(b.cfg)
	if err := fresh.Validate(context.Background(), node("action=reboot")); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "no action reboot") {
		t.Errorf("got %v", err)
	}
}

// FuzzParseMetadata: a description of whatever form is taken or refused, and what is taken has named parameters.
func FuzzParseMetadata(f *testing.F) {
	f.Add(description)
	f.Add("warning: old library\n" + description)
	f.Add("<resource-agent/>")
	f.Add("<a")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := fence.ParseMetadata(text)
		if err != nil {
			return
		}
		for _, p := range m.Parameters {
			if p.Name == "" {
				t.Fatalf("a parameter without a name: %+v", m)
			}
		}
	})
}

func TestParseMetadataRefuses(t *testing.T) {
	for _, text := range []string{"", "no XML at all", "<html><body/></html>", description[:len(description)/2], `<resource-agent><parameters><parameter/></parameters></resource-agent>`} {
		if m, err := fence.ParseMetadata(text); err == nil {
			t.Errorf("%.30q was taken as %+v", text, m)
		}
	}
	if _, err := fence.ParseMetadata("DeprecationWarning: something\n" + description); err != nil {
		t.Error("a warning in front:", err)
	}
}

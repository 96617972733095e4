package live_test

import (
	"slices"
	"strings"
	"testing"

	"redoubt/assess/catalogue"
	"redoubt/assess/live"
	"redoubt/internal/harden"
)

// reports are what redoubt harden check says on nodes: all is as it should be but for what is named.
func reports(nodes []string, wrong ...string) []live.Hardening {
	var out []live.Hardening
	for _, n := range nodes {
		h := live.Hardening{Node: n}
		for _, i := range harden.Items() {
			status := harden.Good
			if slices.Contains(wrong, n+" "+i.ID) {
				status = harden.Wrong
			}
			h.Items = append(h.Items, live.HardeningItem{ID: i.ID, Status: status})
		}
		out = append(out, h)
	}
	return out
}

// TestHardening: a means of hardening is in place when every node reports all of its items as they should be.
func TestHardening(t *testing.T) {
	all := []string{"n1", "n2", "n3"}
	of := []string{"hardened-kernel", "hardened-folders", "no-core-files", "hardened-network", "hardened-files", "audited-files", "confined-services"}
	for name, c := range map[string]struct {
		reports []live.Hardening
		without []string // means that are not in place
		note    string
	}{
		"none":     {nil, of, "no report of the hardening"},
		"all":      {reports(all), nil, ""},
		"one node": {reports(all[:1]), of, "no report of the hardening of n2, n3"},
		"wrong":    {reports(all, "n2 HD-SYS-003", "n3 HD-AUD-001"), []string{"hardened-kernel", "audited-files"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := healthy()
			e.Hardening = c.reports
			m := build(t, e)
			for _, n := range of {
				x, ok := m.FindMean(n)
				if !ok {
					t.Fatalf("no means %s", n)
				}
				if x.Present == slices.Contains(c.without, n) {
					t.Errorf("%s: in place %v: %s", n, x.Present, x.Source)
				}
			}
			said := slices.ContainsFunc(m.Notes, func(n string) bool { return strings.Contains(n, "hardening") })
			if said != (c.note != "") || said && !strings.Contains(strings.Join(m.Notes, "\n"), c.note) {
				t.Errorf("notes %q", m.Notes)
			}
		})
	}
	e := healthy()
	e.Hardening = reports([]string{"n9"})
	if _, err := live.Build(e, shipped(t), "en"); err == nil || !strings.Contains(err.Error(), "n9") {
		t.Errorf("a node that is not there: %v", err)
	}
	// Every item of hardening is part of a means of the catalogue, and every check of the catalogue by that name is an item.
	named := map[string]bool{}
	for _, m := range shipped(t).Means {
		for _, c := range m.Checks {
			if strings.HasPrefix(c, "HD-") {
				named[c] = true
			}
		}
	}
	for _, i := range harden.Items() {
		if !named[i.ID] {
			t.Errorf("no means of the catalogue rests on %s", i.ID)
		}
		delete(named, i.ID)
	}
	for id := range named {
		t.Errorf("the catalogue names %s, which is no item", id)
	}
}

// TestRefusalsAreLosses: with prices, refused access costs the work of looking into it, as often as the log says; without, hours of work are no hours of outage.
func TestRefusalsAreLosses(t *testing.T) {
	threats := []string{"join-without-permission", "command-without-right", "password-guessing", "strange-connection", "log-changed"}
	damages := func(m *live.Model) []string {
		var out []string
		for _, d := range m.Damage.Threats {
			out = append(out, d.Threat)
		}
		return out
	}
	plain := build(t, healthy())
	for _, n := range threats {
		if slices.Contains(damages(plain), n) {
			t.Errorf("%s costs hours of outage", n)
		}
	}
	known := shipped(t)
	known.Prices = catalogue.Prices{Currency: "EUR", OutageHour: 2000, WorkHour: 80}
	m, err := live.Build(healthy(), known, "en")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range threats {
		i := slices.Index(damages(m), n)
		if i < 0 {
			t.Errorf("%s costs nothing", n)
			continue
		}
		if d := m.Damage.Threats[i]; d.Maximum > 80*400 || !strings.Contains(d.Source, "80 EUR for an hour") || !strings.Contains(d.Source, "[R]") {
			t.Errorf("%s: at most %v, %s", n, d.Maximum, d.Source)
		}
	}
	if n, _ := count(frequency(t, m, "command-without-right")); n != 1 {
		t.Errorf("%v refused commands", n)
	}
}

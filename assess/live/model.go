package live

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/assess/catalogue"
	"redoubt/assess/model"
)

// Model is what an export and a catalogue give, and what a reader of its figures has to know.
type Model struct {
	*model.Model
	Notes []string
}

// builder makes a model.
type builder struct {
	e     *Export
	c     *catalogue.Catalogue
	lang  string
	m     *model.Model
	notes []string
}

// Build makes the model of a cluster. The texts of the catalogue are taken in the language lang, en or ru.
func Build(e *Export, c *catalogue.Catalogue, lang string) (*Model, error) {
	if e.Status == nil || e.Status.Cluster == nil {
		return nil, fmt.Errorf("the export holds no cluster; ask a node that is in one")
	}
	if strange := e.unknownNodes(); len(strange) > 0 {
		return nil, fmt.Errorf("the export has the hardening of %s, which the cluster does not have; --hardening wants NODE=FILE with a node's name", strings.Join(strange, ", "))
	}
	if e.Taken.IsZero() {
		return nil, fmt.Errorf("the export does not say when it was taken")
	}
	b := &builder{e: e, c: c, lang: lang, m: &model.Model{
		Version: model.Version, Title: title.In(lang) + " " + e.Status.Cluster.Name, System: "cluster " + e.Status.Cluster.Name, Date: e.Taken.UTC().Format("2006-01-02"),
		Currency: "hours", Period: "year", Source: exported(e) + "; catalogue of threats of " + c.Date + ", " + c.Source,
	}}
	for _, x := range e.Missing {
		b.note(sayMissing, x.Source, x.Why)
	}
	b.note(sayZones)
	b.objects()
	b.threats()
	b.means()
	b.incidents()
	b.coverage()
	b.vulnerability()
	b.codes()
	return &Model{b.m, b.notes}, nil
}

// title is what a report is called, before the cluster's name.
var title = catalogue.Words{EN: "Protection of cluster", RU: "Защищённость кластера"}

// exported names the export.
func exported(e *Export) string {
	if e.Digest == "" {
		return "export of the cluster"
	}
	return "export of the cluster, sha256 " + e.Digest
}

func (b *builder) note(text catalogue.Words, args ...any) {
	b.notes = append(b.notes, fmt.Sprintf(text.In(b.lang), args...))
}

// objects are what the cluster has: groups, resources, nodes, private strings, its repository and its log.
func (b *builder) objects() {
	add := func(kind, name, source string) {
		o := model.Object{Name: strings.TrimSpace(kind + " " + name), Kind: kind, Source: source}
		b.m.Objects = append(b.m.Objects, o)
	}
	for _, g := range b.e.Status.Groups {
		add("group", g.Name, "cluster status")
	}
	for _, r := range b.e.Status.Resources {
		add("resource", r.Name, "cluster status")
	}
	for _, n := range b.e.Status.Nodes {
		add("node", n.Name, "cluster status")
	}
	for _, s := range b.e.Secrets {
		add("secret", s.Name, "secret show")
	}
	add("repository", "", "every cluster has one")
	add("log", "", "every cluster has one")
}

func (b *builder) threats() {
	for _, t := range b.c.Threats {
		kind := t.Kind
		if len(t.Violators) > 0 {
			kind += ": " + strings.Join(t.Violators, ", ")
		}
		b.m.Threats = append(b.m.Threats, model.Threat{Name: t.Name, Title: t.Title.In(b.lang), Kind: kind, Source: b.from(t.Mark, t.Source)})
	}
}

// from says where an entry of the catalogue comes from, with its mark.
func (b *builder) from(mark, source string) string {
	return "catalogue " + b.c.Date + " [" + mark + "]: " + source
}

// means are those of the catalogue; what shows that one is in place, or what does not, is its source.
func (b *builder) means() {
	results := map[string]v1.CheckResult{}
	if b.e.Check != nil {
		for _, r := range b.e.Check.Results {
			results[r.ID] = r
		}
	}
	b.hardening(results)
	prices := b.c.Prices
	if prices.Given() {
		b.m.Currency = prices.Currency
	} else {
		b.note(sayNoPrices)
	}
	for _, m := range b.c.Means {
		present, why := true, make([]string, 0, len(m.Checks)+len(m.Facts))
		for _, id := range m.Checks {
			ok, text := checked(results, id)
			present = present && ok
			why = append(why, text)
		}
		for _, f := range m.Facts {
			ok, text := b.fact(f)
			present = present && ok
			why = append(why, text)
		}
		x := model.Mean{
			Name: m.Name, Title: m.Title.In(b.lang), Kind: "of the product", Cost: m.Work, Present: present,
			Source: strings.Join(why, "; ") + ". " + b.from(m.Mark, m.Source),
		}
		if prices.Given() {
			x.Cost = m.Work * prices.WorkHour
			x.Reduces = maps.Clone(m.Strengths)
		}
		if !present && m.Remedy != "" {
			x.Source += " To have it: " + m.Remedy
		}
		b.m.Means = append(b.m.Means, x)
	}
	if prices.Given() {
		b.m.Costs = &model.Costs{Losses: "losses", Source: "catalogue " + b.c.Date + ": work and prices"}
	}
}

// checked reports whether a check passed, and says what it found. Unknown is never passed.
func checked(results map[string]v1.CheckResult, id string) (bool, string) {
	r, ok := results[id]
	switch {
	case !ok:
		return false, id + " was not run"
	case r.Status == v1.CheckPass:
		return true, id + " passes"
	case r.Status == v1.CheckUnknown:
		return false, id + " is unknown"
	}
	found := make([]string, 0, len(r.Findings))
	for _, f := range r.Findings {
		found = append(found, f.Object+": "+f.Text)
	}
	const enough = 3
	if len(found) > enough {
		found = append(found[:enough], fmt.Sprintf("and %d more", len(found)-enough))
	}
	return false, id + " fails (" + strings.Join(found, "; ") + ")"
}

// fact reports whether a fact of the catalogue holds, and says why.
func (b *builder) fact(name string) (bool, string) {
	e := b.e
	switch name {
	case "resource-security":
		if e.Cluster == nil {
			return false, "resource_security is not known"
		}
		for _, p := range e.Cluster.Properties {
			if p.Name == resourceSecurity && len(p.Values) > 0 {
				return p.Values[0] == "SECURE", "resource_security is " + p.Values[0]
			}
		}
		return false, "resource_security is not known"
	case "quorum-margin":
		q := e.Status.Cluster.Quorum
		return q.Margin >= 1, fmt.Sprintf("%d more voters may be lost", max(q.Margin, 0))
	case "groups-spread":
		return b.groupsSpread()
	case "resources-monitored":
		return b.resourcesMonitored()
	case "log-verified":
		if _, no := e.missing("log verify"); no || len(e.Verified) == 0 {
			return false, "the logs were not verified"
		}
		for _, v := range e.Verified {
			if !v.OK {
				return false, "the log of node " + v.Node + " is not as it was written"
			}
		}
		return true, fmt.Sprintf("%d logs are as they were written", len(e.Verified))
	case "log-forwarded":
		switch f := e.Forward; {
		case f == nil:
			return false, "whether the log is sent to a collector is not known"
		case f.Server == "":
			return false, "the log is sent to no collector"
		case !f.Connected:
			return false, "the collector of the log is not connected"
		}
		return true, "the log is sent to a collector"
	case "rights-known":
		_, users := e.missing("user show")
		_, roles := e.missing("role show")
		if users || roles {
			return false, "who holds which rights is not known"
		}
		return true, fmt.Sprintf("%d users, %d Unix groups and %d roles hold rights", len(e.Users), len(e.UnixGroups), len(e.Roles))
	}
	return false, "nobody knows what " + name + " is"
}

func (b *builder) groupsSpread() (bool, string) {
	if _, no := b.e.missing("group show"); no {
		return false, "the nodes of the groups are not known"
	}
	if len(b.e.Groups) == 0 {
		return false, "there is no group"
	}
	for _, g := range b.e.Groups {
		if len(g.Nodelist) < 2 {
			return false, "group " + g.Name + " has one node only"
		}
	}
	return true, "every group has a second node"
}

func (b *builder) resourcesMonitored() (bool, string) {
	if _, no := b.e.missing("resource show"); no {
		return false, "whether resources are monitored is not known"
	}
	if len(b.e.Resources) == 0 {
		return false, "there is no resource"
	}
	for _, r := range b.e.Resources {
		if r.Enabled && (!r.Monitored || len(r.UnmonitoredOn) > 0) {
			return false, "resource " + r.Name + " is not monitored everywhere"
		}
	}
	return true, "every resource is monitored"
}

// coverage is the threats that are real for the objects that there are, and what is strong against them.
func (b *builder) coverage() {
	c := &model.Coverage{}
	for _, t := range b.c.Threats {
		for _, o := range b.m.Objects {
			if slices.Contains(t.Objects, o.Kind) {
				c.Edges = append(c.Edges, model.Edge{Threat: t.Name, Object: o.Name, Weight: t.Weight, Source: b.from(t.Mark, t.Source)})
			}
		}
	}
	for _, m := range b.c.Means {
		for _, t := range slices.Sorted(maps.Keys(m.Strengths)) {
			c.Strengths = append(c.Strengths, model.Strength{Mean: m.Name, Threat: t, Strength: m.Strengths[t], Source: b.from(m.Mark, m.Source)})
		}
	}
	b.m.Coverage = c
}

// vulnerability is unauthorised acquisition through the ways into a cluster. What is in place leaves only a share of what a violator could use.
func (b *builder) vulnerability() {
	v := &model.Vulnerability{}
	source := "catalogue " + b.c.Date + " [R], zones from outside: " + strings.Join(b.c.Zones, ", ")
	for _, x := range b.c.Components {
		v.Components = append(v.Components, model.Component{Name: x.Name, Title: x.Title.In(b.lang), Source: x.Source})
	}
	for _, x := range b.c.Channels {
		v.Channels = append(v.Channels, model.Channel{Name: x.Name, Title: x.Title.In(b.lang), Class: x.Class, Source: x.Source})
	}
	for _, x := range b.c.Violators {
		v.Violators = append(v.Violators, model.Violator{Name: x.Name, Title: x.Title.In(b.lang), Source: source})
		v.Presence = append(v.Presence, model.ZoneChance{Component: "*", Violator: x.Name, P: x.Presence, Source: source})
	}
	for _, s := range b.c.Shows {
		for _, component := range s.Components {
			v.Manifest = append(v.Manifest, model.ZoneChance{Component: component, Channel: s.Channel, P: s.Manifest, Source: source})
			v.Information = append(v.Information, model.ZoneChance{Component: component, Channel: s.Channel, P: s.Information, Source: source})
		}
	}
	for _, u := range b.c.Usable {
		share, by := 1.0, []string{}
		for _, name := range slices.Sorted(maps.Keys(u.Left)) {
			if m, ok := b.m.FindMean(name); ok && m.Present {
				share *= u.Left[name]
				by = append(by, name)
			}
		}
		p := make([]float64, len(u.P))
		for i, x := range u.P {
			p[i] = x * share
		}
		why := source + ", nothing that is in place stands against it"
		if len(by) > 0 {
			why = source + ", less what is in place: " + strings.Join(by, ", ")
		}
		for _, violator := range u.Violators {
			v.Accessible = append(v.Accessible, model.ZoneChance{Component: "*", Channel: u.Channel, Violator: violator, P: p, Source: why})
		}
	}
	b.m.Vulnerability = v
}

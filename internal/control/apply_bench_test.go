package control

import (
	"fmt"
	"testing"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// large is a cluster with a type, and a document for it of 10,000 resources that depend on each other in groups of four.
func large() (view, v1.ClusterApply) {
	var v view
	v.snap.Schema = 2
	v.snap.Revision = func(string) cluster.Revision { return 0 }
	for i := range 16 {
		v.state.Nodes = append(v.state.Nodes, model.NodeState{Node: model.Node{Name: cluster.NodeName(fmt.Sprintf("n%02d", i))}})
	}
	v.state.Types = []model.Type{{Name: "some.type", Version: "1", Driver: "native", Failover: true}}
	doc := v1.Document{Level: v1.Level, Types: []v1.TypeDocument{{Name: "some.type"}}}
	for i := range 2500 {
		g := fmt.Sprintf("g%04d", i)
		doc.Groups = append(doc.Groups, v1.GroupDocument{Name: g, Properties: map[string][]string{"Load_factors": {"memory@3"}}})
		for j := range 4 {
			r := v1.ResourceDocument{Name: fmt.Sprintf("%s-r%d", g, j), Group: g, Type: "some.type", Enabled: true, Properties: map[string][]string{}}
			if j > 0 {
				r.Properties["Resource_dependencies"] = []string{fmt.Sprintf("%s-r%d", g, j-1)}
			}
			doc.Resources = append(doc.Resources, r)
		}
	}
	return v, v1.ClusterApply{Document: doc}
}

// BenchmarkPlanDocument compares a document of 10,000 resources with a cluster that has none of them yet.
func BenchmarkPlanDocument(b *testing.B) {
	v, in := large()
	for b.Loop() {
		p := planDocument(v, in, nil)
		if err := p.problems.Err(); err != nil || len(p.writes) < 12500 {
			b.Fatal(len(p.writes), err)
		}
	}
}

// BenchmarkOffline decides that 2,500 groups of four resources, all of which are online, may go offline, as `group offline +` does.
func BenchmarkOffline(b *testing.B) {
	v, in := large()
	v.state.Resources, v.state.Groups = nil, nil
	for _, g := range in.Document.Groups {
		n := v.state.Nodes[len(v.state.Groups)%16].Name
		v.state.Groups = append(v.state.Groups, model.Group{Name: cluster.GroupName(g.Name), Managed: true, Nodelist: []cluster.NodeName{n}})
		v.state.Instances = append(v.state.Instances, model.Instance{Group: cluster.GroupName(g.Name), Node: n, State: model.GroupOnline})
	}
	for _, r := range in.Document.Resources {
		v.state.Resources = append(v.state.Resources, model.Resource{Name: cluster.ResourceName(r.Name), Group: cluster.GroupName(r.Group), Type: "some.type"})
	}
	for b.Loop() {
		d := &draft{view: v}
		for _, g := range v.state.Groups {
			if err := d.mayGo(g, nil, placing{all: true}); err != nil {
				b.Fatal(err)
			}
		}
	}
}

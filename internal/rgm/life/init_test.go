package life_test

import (
	"slices"
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/rgm/life"
	"redoubt/internal/rgm/model"
)

// What Init and Fini owe each other is remembered over restarts of the daemon and of the node.
func TestInitIsRemembered(t *testing.T) {
	first := newRig(t, res("app", "full"))
	first.step(life.Changed{})
	first.settle()
	first.did("Init app")

	// The same incarnation, another daemon: nothing runs again.
	r := newRig(t, res("app", "full"))
	r.g = life.New(first.g.Instance())
	r.step(life.Changed{})
	r.did()

	// Another incarnation of the node: Boot, once.
	r = newRig(t, res("app", "full"))
	r.g = life.Begin(first.g.Instance(), true)
	r.step(life.Changed{})
	r.settle()
	r.did("Boot app")
	r.in.Group.Managed = false
	r.step(life.Changed{})
	r.settle()
	r.did("Fini app")
	r.in.Group.Managed = true
	r.step(life.Changed{})
	r.settle()
	r.did("Init app") // it was managed before this incarnation, but not all the time

	// Another incarnation, and meanwhile it was unmanaged, or the node taken out of the nodelist: Fini, once.
	for name, change := range map[string]func(*model.Group){
		"unmanaged": func(g *model.Group) { g.Managed = false },
		"nodelist":  func(g *model.Group) { g.Nodelist = []cluster.NodeName{"n2"} },
	} {
		r = newRig(t, res("app", "full"))
		r.g = life.Begin(first.g.Instance(), true)
		change(&r.in.Group)
		r.step(life.Changed{})
		r.settle()
		if !slices.Equal(r.log, []string{"Fini app"}) {
			t.Errorf("%s: ran %v", name, r.log)
		}
		again := r.g.Instance()
		r.g, r.log = life.Begin(again, true), nil
		r.step(life.Changed{})
		r.settle()
		if len(r.log) > 0 {
			t.Errorf("%s, the next incarnation: ran %v", name, r.log)
		}
	}
}

// A type may ask to be initialised wherever it is installed, in the nodelist or not.
func TestInitOnInstalledNodes(t *testing.T) {
	for _, c := range []struct {
		nodelist  []cluster.NodeName
		installed []string
		ran       []string
	}{
		{[]cluster.NodeName{"n2"}, nil, []string{"Init app"}},
		{[]cluster.NodeName{"n2"}, []string{"n1"}, []string{"Init app"}},
		{[]cluster.NodeName{"n1"}, []string{"n2"}, nil},
	} {
		r := newRig(t, res("app", "full"))
		for i := range r.in.Types {
			r.in.Types[i].InitNodes, r.in.Types[i].InstalledNodes = model.InitInstalledNodes, c.installed
		}
		r.in.Group.Nodelist = c.nodelist
		r.step(life.Changed{})
		r.settle()
		if !slices.Equal(r.log, c.ran) {
			t.Errorf("nodelist %v, installed on %v: ran %v", c.nodelist, c.installed, r.log)
		}
	}
}

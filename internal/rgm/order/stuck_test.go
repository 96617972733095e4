package order_test

import (
	"testing"

	"redoubt/internal/rgm/model"
)

// A group with several primaries that can not be stopped on a node is not planned to that node again, which another waits for: neither goes to and fro.
func TestWhatIsLeftComesToRest(t *testing.T) {
	many, rival := multi("many"), group("rival")
	many.Priority, rival.Priority = 500, 300
	rival.Affinities = []model.Affinity{{Kind: model.AffinityForbid, Target: "many"}}
	rival.Nodelist = nodes("n3")
	many.Nodelist = nodes("n1", "n3")
	r := newRig(t, many, rival)
	r.plan()
	r.want(model.Want{Group: "many", Online: true})
	r.settle()
	r.on("many", "n1", "n3")
	r.want(model.Want{Group: "rival", Online: true})
	r.plan()
	r.on("many", "n1")
	stuck := func() {
		r.report(model.Instance{Node: "n3", Incarnation: at(1), Group: "many", Version: r.assigned("many").Version, State: model.GroupErrorStopFailed, BlockedOn: "r: planted"})
	}
	stuck()
	for range 4 {
		r.plan()
	}
	if steps := r.plan(); len(steps) > 0 {
		t.Fatalf("does not come to rest: %+v", steps)
	}
	r.on("many", "n1")
	r.on("rival")
	r.noted("rival", "", "evicted")
}

// What is left of a group on a node where its stop failed still takes its load there and keeps others away, though the group shall run elsewhere.
func TestWhatIsLeftOfAGroupTakesItsPlace(t *testing.T) {
	big, apart, light := group("big"), group("apart"), group("light")
	big.LoadFactors = []model.LoadFactor{{Name: "mem", Load: 5}}
	light.LoadFactors = []model.LoadFactor{{Name: "mem", Load: 5}}
	apart.Affinities = []model.Affinity{{Kind: model.AffinityForbid, Target: "big"}}
	r := newRig(t, apart, big, light)
	for i := range r.s.Nodes {
		r.s.Nodes[i].LoadLimits = []model.LoadLimit{{Name: "mem", Soft: 8, Hard: 8}}
	}
	r.plan()
	r.want(model.Want{Group: "big", Online: true})
	r.settle()
	r.on("big", "n1")
	r.want(model.Want{Group: "big", Online: true, Nodes: nodes("n2")})
	r.plan()
	r.on("big")
	a := r.assigned("big")
	r.report(model.Instance{Node: "n1", Incarnation: at(1), Group: "big", Version: a.Version, State: model.GroupErrorStopFailed, BlockedOn: "r: planted"})
	r.plan()
	r.noted("big", "n1", "stop-failed")
	// The others would come to n1, the first of their nodelists, if nothing were there.
	r.want(model.Want{Group: "light", Online: true})
	r.want(model.Want{Group: "apart", Online: true})
	r.plan()
	r.on("light", "n3")
	r.on("apart", "n3")
}

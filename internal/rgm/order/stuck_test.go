package order_test

import (
	"testing"

	"redoubt/internal/rgm/model"
)

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

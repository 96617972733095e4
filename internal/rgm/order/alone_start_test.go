package order_test

import (
	"testing"

	"redoubt/internal/rgm/model"
)

// A suspended source that was on its way to a node when its target left that does not start there alone.
func TestASuspendedSourceDoesNotStartAlone(t *testing.T) {
	web, farm := group("web"), group("farm")
	farm.Affinities = []model.Affinity{{Kind: model.AffinityRequire, Target: "web"}}
	farm.Suspended = true
	r := newRig(t, farm, web)
	r.put(model.Assignment{Group: "web", Version: 3, Epoch: 9, Formation: 2, WantSeq: 1, Off: true})
	r.put(model.Assignment{Group: "farm", Version: 3, Epoch: 9, Formation: 2, WantSeq: 1, Wanted: nodes("n2")})
	r.settle()
	r.on("farm")
	r.group("web", func(g *model.Group) { g.Suspended = false })
	r.want(model.Want{Group: "web", Seq: 1, Online: true})
	r.want(model.Want{Group: "web", Online: true, Nodes: nodes("n2")})
	r.settle()
	r.on("web", "n2")
	r.on("farm", "n2")
}

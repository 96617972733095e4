package control

import (
	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// memoryFull is how full what is remembered of a scalable resource's connections is at the holder of its addresses, in per cent.
func memoryFull(s model.State, r model.Resource) int {
	full := 0
	for _, n := range s.Networks {
		for _, m := range n.Memory {
			if node, _ := check.Node(s, n.Node); m.Resource == r.Name && node.Member {
				full = max(full, m.Full)
			}
		}
	}
	return full
}

// sharesOf gives the parts that the instances of a scalable resource have in its load, by node; nothing for others.
func sharesOf(s model.State, r model.Resource) map[cluster.NodeName]*v1.Share {
	if !balance.Scalable(r) {
		return nil
	}
	out := map[cluster.NodeName]*v1.Share{}
	for _, share := range balance.Look(s, "", balance.Overrides{}).Shares {
		if share.Name != r.Name {
			continue
		}
		for _, i := range share.Instances {
			out[i.Node] = &v1.Share{Of: balance.Slots, Weight: i.Weight, Why: i.Why}
		}
		for _, i := range share.Dealt() {
			if i >= 0 {
				out[share.Instances[i].Node].Slots++
			}
		}
	}
	return out
}

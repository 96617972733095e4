package control

import (
	"fmt"
	"strings"
	"testing"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
	places "redoubt/internal/rgm/plan"
)

// A group with which all could not be placed together any more is refused when it is made, and told why. Where they can not be placed together anyway it is no worse.
func TestGroupThatIsTooMuchIsRefused(t *testing.T) {
	many := func(n int) model.State {
		s := model.State{Nodes: []model.NodeState{{Node: model.Node{Name: "n1", ID: 1}, Member: true}}}
		for i := range n {
			s.Groups = append(s.Groups, model.Group{Name: cluster.GroupName(fmt.Sprintf("g%06d", i)), Nodelist: []cluster.NodeName{"n1"}, MaximumPrimaries: 1, DesiredPrimaries: 1})
		}
		return s
	}
	for _, c := range []struct {
		before, after int
		refused       bool
	}{{1, 2, false}, {places.MaxGroups, places.MaxGroups + 1, true}, {places.MaxGroups + 1, places.MaxGroups + 2, false}} {
		d := &draft{view: view{state: many(c.before)}}
		err := d.placeable(many(c.after))
		if told := err != nil && fault.Is(err, fault.Precondition) && strings.Contains(err.Error(), fmt.Sprint(places.MaxGroups)); told != c.refused || !c.refused && err != nil {
			t.Errorf("group number %d after %d: %v", c.after, c.before, err)
		}
	}
}

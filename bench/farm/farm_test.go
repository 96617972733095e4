package farm_test

import (
	"encoding/xml"
	"slices"
	"syscall"
	"testing"

	"redoubt/bench/farm"
	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
	"redoubt/internal/rgm/order"
	"redoubt/internal/rgm/plan"
)

func running(t testing.TB, size farm.Size) model.State {
	s, err := farm.Running(size)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plans measures the function that the president calls, and the solver alone.
func plans(b *testing.B, s model.State) {
	b.Run("order", func(b *testing.B) {
		b.ReportAllocs()
		before := used(b)
		for b.Loop() {
			if len(order.Plan(s)) == 0 {
				b.Fatal("nothing to do")
			}
		}
		b.ReportMetric((used(b)-before)/float64(b.N), "cpu-ms/op")
	})
	b.Run("solve", func(b *testing.B) {
		p := order.Look(s).Problem
		before := used(b)
		for b.Loop() {
			if _, err := plan.Solve(p, plan.Effort{}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric((used(b)-before)/float64(b.N), "cpu-ms/op")
	})
}

// used is what the processor has spent on this process, in milliseconds: on a busy machine the time that passed says little.
func used(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}

var (
	medium = farm.Size{Nodes: 16, Groups: 1000, Each: 5}
	large  = farm.Size{Nodes: 64, Groups: 10000, Each: 5}
)

func BenchmarkFull(b *testing.B)          { plans(b, farm.Fresh(medium)) }
func BenchmarkLost(b *testing.B)          { plans(b, farm.Lost(running(b, medium), true)) }
func BenchmarkReleased(b *testing.B)      { plans(b, farm.Lost(running(b, medium), false)) }
func BenchmarkLargeFull(b *testing.B)     { plans(b, farm.Fresh(large)) }
func BenchmarkLargeReleased(b *testing.B) { plans(b, farm.Lost(running(b, large), false)) }

// What Pacemaker is given says the same of every group and every resource.
func TestCIBSaysTheSame(t *testing.T) {
	s := running(t, farm.Size{Nodes: 4, Groups: 20, Each: 3})
	var doc struct {
		Nodes  []struct{} `xml:"configuration>nodes>node"`
		Groups []struct {
			Primitives []struct{} `xml:"primitive"`
		} `xml:"configuration>resources>group"`
		Colocations []struct{} `xml:"configuration>constraints>rsc_colocation"`
		Orders      []struct{} `xml:"configuration>constraints>rsc_order"`
		Operations  []struct {
			Operation string `xml:"operation,attr"`
		} `xml:"status>node_state>lrm>lrm_resources>lrm_resource>lrm_rsc_op"`
	}
	if err := xml.Unmarshal(farm.CIB(farm.Lost(s, false)), &doc); err != nil {
		t.Fatal(err)
	}
	starts, lost, primitives := 0, 0, 0
	for _, g := range doc.Groups {
		primitives += len(g.Primitives)
	}
	for _, op := range doc.Operations {
		if op.Operation == "start" {
			starts++
		}
	}
	for _, a := range s.Assignments {
		if a.Targets[0].Node == s.Nodes[0].Name {
			lost++
		}
	}
	got := []int{len(doc.Nodes), len(doc.Groups), primitives, len(doc.Colocations), len(doc.Orders), starts}
	if want := []int{4, 20, 60, 16, 4, 3 * (20 - lost)}; !slices.Equal(got, want) || lost == 0 {
		t.Errorf("nodes, groups, resources, colocations, orders and starts are %v, want %v; %d groups ran on the node that is lost", got, want, lost)
	}
	// A lost node tells nothing.
	if n := len(doc.Operations) - starts; n != 3*60 {
		t.Errorf("%d operations beside the starts, want one for each resource on each of 3 nodes", n)
	}
}

// The farm is worth measuring: everything fits, and the loss of a node moves what ran there.
func TestFarm(t *testing.T) {
	size := farm.Size{Nodes: 8, Groups: 200, Each: 2}
	s := running(t, size)
	lost := map[cluster.GroupName]bool{}
	for _, a := range s.Assignments {
		if len(a.Targets) != 1 {
			t.Fatalf("group %s is on %v: %+v", a.Group, a.Targets, a.Notes)
		}
		if a.Targets[0].Node == s.Nodes[0].Name {
			lost[a.Group] = true
		}
	}
	for _, step := range order.Plan(farm.Lost(s, false)) {
		delete(lost, step.Assignment.Group)
	}
	if len(lost) > 0 {
		t.Errorf("the loss of %s leaves %v where they were", s.Nodes[0].Name, lost)
	}
}

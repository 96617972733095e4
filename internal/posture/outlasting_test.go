package posture

import (
	"strings"
	"testing"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/rgm/model"
)

// TestServicesThatTheGuardCanNotEnd: the finding names the resource, what it is, and the nodes of its group without a fence agent, watchdog or not.
func TestServicesThatTheGuardCanNotEnd(t *testing.T) {
	const id = "RC-GRD-004"
	look := func(spoil func(f *Facts)) v1.CheckResult {
		f := sound()
		f.State.Groups = []model.Group{{Name: "vm-rg", Nodelist: []cluster.NodeName{"n1", "n2"}}}
		f.State.Resources = []model.Resource{{Name: "vm", Group: "vm-rg", Type: "ocf:heartbeat:VirtualDomain"}}
		spoil(&f)
		return result(t, Run(Checks(), f), id)
	}
	if r := look(func(*Facts) {}); len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Text, "virtual machine") || !strings.HasSuffix(r.Findings[0].Text, ": n1, n2") || r.Findings[0].Object != "resource vm" {
		t.Errorf("no fence agent: %+v", r.Findings)
	}
	if r := look(func(f *Facts) { f.State.Nodes[0].Fence = &model.Fence{Agent: "fence_virt"} }); len(r.Findings) != 1 || !strings.HasSuffix(r.Findings[0].Text, ": n2") {
		t.Errorf("one fence agent: %+v", r.Findings)
	}
	for name, spoil := range map[string]func(f *Facts){
		"both have one":           func(f *Facts) { f.State.Nodes[0].Fence, f.State.Nodes[1].Fence = &model.Fence{}, &model.Fence{} },
		"an ordinary service":     func(f *Facts) { f.State.Resources[0].Type = "ocf:heartbeat:redis" },
		"it never goes elsewhere": func(f *Facts) { f.State.Groups[0].Nodelist = f.State.Groups[0].Nodelist[:1] },
	} {
		if r := look(spoil); r.Status != v1.CheckPass {
			t.Errorf("%s: %+v", name, r.Findings)
		}
	}
	command := func(text string) v1.CheckResult {
		return look(func(f *Facts) {
			f.State.Resources[0] = model.Resource{Name: "c", Group: "vm-rg", Type: "redoubt.gds", Properties: []model.Property{{Name: "Start_command", Values: []string{text}}}}
		})
	}
	if r := command("docker run -d web"); len(r.Findings) != 1 {
		t.Errorf("a container: %+v", r)
	}
	if r := command("exec nginx"); r.Status != v1.CheckPass {
		t.Errorf("a process: %+v", r)
	}
}

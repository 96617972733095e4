package fence_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"redoubt/internal/fault"
	"redoubt/internal/fence"
	"redoubt/internal/rgm/model"
)

// TestAgentOfThePackage runs an agent of Debian's fence-agents as it is installed: a program for Python that finds what it has in common with others in a folder of its own,
// behind the gate. It switches a file.
func TestAgentOfThePackage(t *testing.T) {
	b := newBench(t, func(c *fence.Config) { c.AgentDir = fence.AgentDir })
	must(t, os.Remove(filepath.Join(b.secrets, "n2")))
	status := filepath.Join(b.dir, "status")
	option := func(name, value string) model.Property { return model.Property{Name: name, Values: []string{value}} }
	n := model.Node{Name: "n2", ID: 2, Fence: &model.Fence{Agent: "fence_dummy", Timeout: 60, Options: []model.Property{option("status_file", status), option("type", "file")}}}
	m, err := b.fencer.Metadata(t.Context(), "fence_dummy")
	if _, ok := m.Parameter("status_file"); err != nil || !ok || m.Description == "" {
		t.Fatalf("it describes itself as %+v, %v; is the package fence-agents installed (make install-deps)?", m, err)
	}
	must(t, b.fencer.Validate(t.Context(), n))
	b.write("status", "on", 0o644)
	if err := b.fencer.Fence(t.Context(), n); err != nil {
		t.Fatalf("%v\n%s", err, b.log.String())
	}
	if got := strings.TrimSpace(b.read("status")); got != "off" {
		t.Errorf("the machine is %q", got)
	}
	// An option that the agent does not have is found before it is needed.
	n.Fence.Options = append(n.Fence.Options, option("ip", "10.0.0.2"))
	if err := b.fencer.Validate(context.Background(), n); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "no option ip") {
		t.Errorf("an unknown option: %v", err)
	}
}

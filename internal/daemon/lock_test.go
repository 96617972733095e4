package daemon

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"redoubt/internal/fault"
)

// A second daemon on a node is refused, and says who runs; one that comes after the first has ended is not.
func TestOneDaemonANode(t *testing.T) {
	cfg := Config{Run: t.TempDir()}
	release, err := lockNode(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockNode(cfg); !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "(process "+strconv.Itoa(os.Getpid())+") runs this node") {
		t.Errorf("the second: %v", err)
	}
	release()
	again, err := lockNode(cfg)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

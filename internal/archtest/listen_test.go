package archtest

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// listeners are the files that may open something to listen on, each with the line of cluster.Listeners that says who may connect, or with why nobody can. The
// voters' ports of the repository are opened by etcd.
var listeners = map[string]string{
	"internal/beat/transport.go":             "heartbeats",
	"internal/beat/path.go":                  "heartbeats",
	"internal/server/server.go":              "API, local API",
	"internal/daemon/sponsor.go":             "API",
	"internal/relay/relay.go":                "repository, over the public network; the way to the repository elsewhere",
	"internal/daemon/metrics.go":             "metrics",
	"internal/guard/guard.go":                "guard",
	"internal/beat/fenced.go":                "nobody: a socket that only sends, from which nothing is read",
	"internal/guard/rtnl.go":                 "nobody: the kernel's own messages",
	"internal/native/neighbour/neighbour.go": "nobody: answers to questions about one address, on the link, while it is taken",
	"internal/native/logicalhost/watch.go":   "nobody: the kernel's own messages",
}

// opens are calls that make a socket which others can reach.
var opens = []string{"Listen", "ListenUDP", "ListenTCP", "ListenUnix", "ListenPacket", "ListenAndServe", "ListenAndServeTLS", "Bind"}

// TestNothingListensBesideTheTable finds a new listener before it is forgotten in the table of the network.
func TestNothingListensBesideTheTable(t *testing.T) {
	found := map[string]bool{}
	for _, f := range tree(t) {
		if layer, ok := layerOf(f.dir); f.test || !ok || layer == layerSupport && !strings.HasPrefix(f.dir, "cmd") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains(opens, sel.Sel.Name) {
				return true
			}
			if pkg, ok := sel.X.(*ast.Ident); ok && slices.Contains([]string{"net", "unix", "syscall", "lc", "tls", "http"}, pkg.Name) {
				found[f.path] = true
			}
			return true
		})
	}
	for file := range found {
		if listeners[file] == "" {
			t.Errorf("%s opens something to listen on: put it into cluster.Listeners and into the list of this test", file)
		}
	}
	if !found["internal/server/server.go"] || !found["internal/guard/guard.go"] {
		t.Errorf("the search does not find what there is: %v", found)
	}
}

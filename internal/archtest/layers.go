// Package archtest holds the architecture of the tree as a table and the tests that keep the tree to it: who may import whom, what a
// decision package may not do, how large a file may become.
package archtest

import (
	"slices"
	"strings"
)

// The layers. A package imports lower layers and, within the layers of decisions and loops, its neighbours.
const (
	layerVocabulary = iota
	layerPure
	layerLoop
	layerAdapter
	layerFace
	layerComposition
	layerSupport
)

// layers places every directory of the tree; a directory belongs to the longest entry that is a prefix of it.
var layers = map[string]int{
	"internal/cluster":    layerVocabulary,
	"internal/fault":      layerVocabulary,
	"internal/words":      layerVocabulary,
	"api/v1":              layerVocabulary,
	"internal/version":    layerVocabulary,
	"internal/quorum":     layerPure,
	"internal/membership": layerPure,
	"internal/rgm":        layerPure,
	"internal/admission":  layerPure,
	"internal/rbac":       layerPure,
	"internal/posture":    layerPure,
	"internal/auditlog":   layerPure,
	"internal/access":     layerPure,
	"internal/shell":      layerPure,
	"assess":              layerPure,
	"internal/tick":       layerLoop,
	"internal/yield":      layerLoop,
	"internal/confdb":     layerLoop,
	"internal/agent":      layerLoop,
	"internal/engine":     layerLoop,
	"internal/control":    layerLoop,
	"internal/metrics":    layerLoop,
	"internal/audit":      layerLoop,
	"internal/etcdstore":  layerAdapter,
	"internal/beat":       layerAdapter,
	"internal/guard":      layerAdapter,
	"internal/guardlink":  layerAdapter,
	"internal/proc":       layerAdapter,
	"internal/launch":     layerAdapter,
	"internal/watchdog":   layerAdapter,
	"internal/fence":      layerAdapter,
	"internal/privnet":    layerAdapter,
	"internal/relay":      layerAdapter,
	"internal/realtime":   layerAdapter,
	"internal/nocore":     layerAdapter,
	"internal/apart":      layerAdapter,
	"internal/native":     layerAdapter,
	"internal/nft":        layerAdapter,
	"internal/exectype":   layerAdapter,
	"internal/execcheck":  layerAdapter,
	"internal/descend":    layerAdapter,
	"internal/ocf":        layerAdapter,
	"internal/pki":        layerAdapter,
	"internal/survey":     layerAdapter,
	"internal/sealed":     layerAdapter,
	"internal/auditfile":  layerAdapter,
	"internal/syslogtls":  layerAdapter,
	"agents":              layerVocabulary,
	"api/client":          layerFace,
	"internal/server":     layerFace,
	"internal/cli":        layerFace,
	"internal/daemon":     layerComposition,
	"cmd":                 layerSupport,
	"bench":               layerSupport,
	"internal/appuser":    layerSupport,
	"internal/sim":        layerSupport,
	"internal/lab":        layerSupport,
	"internal/nstest":     layerSupport,
	"internal/harden":     layerSupport,
	"internal/e2e":        layerSupport,
	"internal/archtest":   layerSupport,
	"internal/tools":      layerSupport,
}

// exceptions are imports that the rules would refuse, each with its reason.
var exceptions = [][2]string{
	{"internal/cli", "api/client"},           // the command line speaks to the daemon through the public client
	{"internal/guardlink", "internal/guard"}, // the two ends of one protocol
	{"internal/proc", "internal/launch"},     // the two ends of another
	{"internal/fence", "internal/realtime"},  // who starts programs takes the daemon's priority from them
}

// pureStdlib is what a decision package may import beside the project's own.
var pureStdlib = []string{
	"bytes", "cmp", "container/heap", "crypto/sha256", "encoding", "encoding/base64", "encoding/binary", "encoding/hex", "encoding/json", "errors", "fmt", "hash/fnv", "iter", "maps",
	"math", "math/big", "math/bits", "math/rand/v2", "net/netip", "path", "reflect", "regexp", "slices", "sort", "strconv", "strings", "text/tabwriter", "time", "unicode", "unicode/utf8",
	// Computation only: Merkle trees and the text form of signed notes.
	"github.com/transparency-dev/formats/log", "github.com/transparency-dev/merkle/compact", "github.com/transparency-dev/merkle/proof", "github.com/transparency-dev/merkle/rfc6962", "golang.org/x/mod/sumdb/note",
	// The grammar of the shell.
	"mvdan.cc/sh/v3/syntax",
	// The order of versions.
	"golang.org/x/mod/semver",
}

// assessStdlib is what the assessor may import beside that: what computes and what formats, nothing that reads or writes by itself. A name ending in / stands for all below it.
var assessStdlib = []string{
	"compress/gzip", "container/heap", "context", "embed", "encoding/csv", "encoding/xml", "html", "html/template", "io", "math/cmplx", "runtime", "sync", "sync/atomic", "text/template",
	"github.com/expr-lang/expr/", "github.com/google/uuid/", "github.com/santhosh-tekuri/jsonschema/v6/", "github.com/xuri/excelize/v2/", "go.yaml.in/yaml/v3/", "golang.org/x/sync/errgroup/", "gonum.org/v1/gonum/",
}

// assesses reports whether a package of the assessor may import a package that is not ours.
func assesses(dir, path string) bool {
	if dir != "assess" && !strings.HasPrefix(dir, "assess/") {
		return false
	}
	return slices.ContainsFunc(assessStdlib, func(a string) bool { return a == path || strings.HasSuffix(a, "/") && strings.HasPrefix(path+"/", a) })
}

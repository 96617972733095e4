// Package control is every command and query of the product: it decides whether the caller may, checks what was asked, and does it. It is the only
// door: the API, the command line and the agents' commands all come through it.
//
// A command reads the newest snapshot, validates, and writes one transaction that compares the revision of everything it relied upon; when somebody else was
// first it starts anew. Commands that move groups then wait for the effect, so that their success means what people take it to mean.
package control

import (
	"sync/atomic"

	"redoubt/internal/fault"
)

// Control carries out operations. It is safe for use by several goroutines.
type Control struct {
	cfg     Config
	running atomic.Pointer[Running]
	facts   factsCache

	sessions sessions // of callers in roles
	guests   guests   // who come by sessions of their own
	guesses  *guesses // of their passwords
	turns    turns    // of questions that cost much work
	gate     gate

	quiesces atomic.Uint64 // how many have begun here
}

// New returns a control layer that is in no cluster yet.
func New(cfg Config) *Control { return &Control{cfg: cfg, guesses: newGuesses()} }

// Enter says that this node is in a cluster from now on; Exit that it no longer is.
func (c *Control) Enter(r *Running) { c.running.Store(r) }

// Exit says that this node is in no cluster any more.
func (c *Control) Exit() { c.running.Store(nil) }

// errNoCluster is what operations answer on a node that is in no cluster.
func errNoCluster() error {
	return fault.Errorf(fault.Precondition, "this node is in no cluster; create one with `redoubt cluster create` or join one with `redoubt node join`")
}

package model

import (
	"slices"
	"time"

	"redoubt/internal/cluster"
)

// Certificate is what the repository remembers of a certificate that the cluster has given: enough to list it, to warn of its end and to revoke it.
type Certificate struct {
	Fingerprint string    `json:"fingerprint"`
	Kind        string    `json:"kind"` // node, user or partner
	Name        string    `json:"name"`
	Serial      string    `json:"serial"` // hexadecimal
	Issuer      string    `json:"issuer"` // fingerprint of the authority
	NotBefore   time.Time `json:"notBefore"`
	NotAfter    time.Time `json:"notAfter"`
	By          string    `json:"by,omitempty"` // who had it signed
}

// RecordedFrom is the version of the schema from which on every daemon of the cluster writes a node's certificate down before it is shown, and reads the keys of authorities
// sealed: from then on a certificate that is not on record counts for nobody.
const RecordedFrom = 2

// Revoked is a certificate that counts no more.
type Revoked struct {
	Node   cluster.NodeName `json:"node,omitempty"` // whose it was, if a node's
	By     string           `json:"by"`
	At     time.Time        `json:"at"`
	Kind   string           `json:"kind,omitempty"`
	Name   string           `json:"name,omitempty"`
	Serial string           `json:"serial,omitempty"`
	Until  time.Time        `json:"until,omitzero"` // when it ends by itself, and need not be remembered any more
	Reason string           `json:"reason,omitempty"`
	Knew   []string         `json:"knew,omitempty"` // fingerprints of the authorities whose keys a node had that was removed
}

// Exposed are the authorities of the lineage whose key a removed node knows, and which nodes those are.
func (l Lineage) Exposed(revoked []Revoked) (nodes []cluster.NodeName) {
	for _, r := range revoked {
		if !slices.Contains(nodes, r.Node) && slices.ContainsFunc(r.Knew, func(f string) bool { return slices.Contains(l.Fingerprints(), f) }) {
			nodes = append(nodes, r.Node)
		}
	}
	return nodes
}

// Authorities are the cluster's roots: public certificates only.
type Authorities struct {
	Node Lineage `json:"node"` // trusted by every port between nodes
	User Lineage `json:"user"` // trusted by the API alone
}

// Of is the lineage of a kind: "user", or else that of nodes.
func (a Authorities) Of(kind string) Lineage {
	if kind == "user" {
		return a.User
	}
	return a.Node
}

// Set replaces the lineage of a kind.
func (a *Authorities) Set(kind string, l Lineage) {
	if kind == "user" {
		a.User = l
		return
	}
	a.Node = l
}

// Lineage is an authority and, while it is exchanged, its successor.
type Lineage struct {
	Roots   []Root    `json:"roots"` // trusted; the successor last
	Stage   Stage     `json:"stage,omitempty"`
	Started time.Time `json:"started,omitzero"`
	By      string    `json:"by,omitempty"`
	Force   bool      `json:"force,omitempty"` // nodes that are away, and users, are not waited for

	Abandoned bool `json:"abandoned,omitempty"` // the exchange was given up: the authority that was to be replaced stays, and the one that was to succeed it is dropped
}

// Root is the certificate of an authority in DER form.
type Root struct {
	Fingerprint string    `json:"fingerprint"`
	Certificate []byte    `json:"certificate"`
	Cross       []byte    `json:"cross,omitempty"` // the same authority, signed by the one before: for whoever knows only that one
	NotAfter    time.Time `json:"notAfter"`
}

// Stage is how far the exchange of an authority has got. Each is proven on the nodes before the next begins.
type Stage string

// The stages.
const (
	StageSettled Stage = ""        // there is one root
	StageTrust   Stage = "trust"   // every node has to trust the successor and to have its key; the old one signs
	StageReissue Stage = "reissue" // the successor signs; every node has to have a certificate of it
	StageDrop    Stage = "drop"    // the old root is no longer listed; every node has to have stopped trusting it
)

// Signing is the authority that gives certificates now.
func (l Lineage) Signing() (Root, bool) {
	if len(l.Roots) == 0 {
		return Root{}, false
	}
	if l.Stage == StageTrust {
		return l.Roots[0], true
	}
	return l.Roots[len(l.Roots)-1], true
}

// Fingerprints are those of the trusted roots.
func (l Lineage) Fingerprints() []string {
	var out []string
	for _, r := range l.Roots {
		out = append(out, r.Fingerprint)
	}
	return out
}

// Trust is what a node says that it has put into effect.
type Trust struct {
	Node        cluster.NodeName `json:"node"`
	NodeRoots   []string         `json:"nodeRoots"`   // fingerprints of the authorities that its ports between nodes trust
	UserRoots   []string         `json:"userRoots"`   // those that its API trusts besides
	Keys        []string         `json:"keys"`        // those whose key it has
	Certificate string           `json:"certificate"` // the certificate that it shows
	Issuer      string           `json:"issuer"`
	ClockOff    int              `json:"clockOff,omitempty"` // seconds by which its clock is ahead of most others', when that is worth saying
}

// Party is a node in the exchange of an authority.
type Party struct {
	Name    cluster.NodeName
	Present bool
	Signs   bool // it is to have the keys: not so a quorum server
}

// Next decides how an exchange goes on: the next state of the lineage, and who is still waited for when there is none.
// Kept says that certificates of the old root are in use which nodes can not renew by themselves: those of users.
func (l Lineage) Next(kind string, parties []Party, trusts []Trust, kept bool) (next Lineage, changed bool, waiting []cluster.NodeName) {
	if l.Stage == StageSettled {
		return l, false, nil
	}
	signer := l.Roots[len(l.Roots)-1].Fingerprint
	for _, p := range parties {
		i := slices.IndexFunc(trusts, func(t Trust) bool { return t.Node == p.Name })
		var t Trust
		if i >= 0 {
			t = trusts[i]
		}
		roots := t.NodeRoots
		if kind == "user" {
			roots = t.UserRoots
		}
		ok := i >= 0 && slices.Equal(roots, l.Fingerprints()) && (!p.Signs || slices.Contains(t.Keys, signer))
		away := !p.Present
		switch l.Stage {
		case StageReissue:
			ok = ok && (kind == "user" || t.Issuer == signer)
			// Who is away when the old root goes would be shut out: it is waited for unless somebody says otherwise.
			away = away && l.Force
		case StageTrust, StageDrop:
		}
		if !ok && !away {
			waiting = append(waiting, p.Name)
		}
	}
	if len(waiting) > 0 || l.Stage == StageReissue && kept && !l.Force {
		return l, false, waiting
	}
	next = l
	switch l.Stage {
	case StageTrust:
		next.Stage = StageReissue
	case StageReissue:
		next.Stage, next.Roots = StageDrop, []Root{{Fingerprint: signer, Certificate: l.Roots[len(l.Roots)-1].Certificate, NotAfter: l.Roots[len(l.Roots)-1].NotAfter}}
	default:
		next.Stage, next.Started, next.By, next.Force, next.Abandoned = StageSettled, time.Time{}, "", false, false
	}
	return next, true, nil
}

// Abandon gives an exchange up: the lineage as it is then, and whether there is anything to give up. Issued says that the successor has given certificates which are not revoked.
// As long as the old authority signs there are none, and nobody needs the successor: it is dropped at once. Otherwise the exchange goes back the way it came: the old authority
// succeeds the other, and the other goes only when nobody depends on it any more. At no moment does a node not trust what another shows.
func (l Lineage) Abandon(issued bool) (Lineage, bool) {
	if l.Abandoned || len(l.Roots) < 2 || l.Stage != StageTrust && l.Stage != StageReissue {
		return l, false
	}
	old, successor := l.Roots[0], l.Roots[len(l.Roots)-1]
	direct := l.Stage == StageTrust && !issued
	l.Abandoned, l.Force = true, false
	if direct {
		l.Stage, l.Roots = StageDrop, []Root{old}
	} else {
		l.Stage, l.Roots = StageReissue, []Root{successor, old}
	}
	return l, true
}

// Keyless reports whether an exchange needs a key that no node has which is there: that of the authority which signs at its end. Until a node comes back that has it, the
// exchange does not go on.
func (l Lineage) Keyless(parties []Party, trusts []Trust) bool {
	if l.Stage != StageTrust && l.Stage != StageReissue {
		return false
	}
	signer := l.Roots[len(l.Roots)-1].Fingerprint
	return !slices.ContainsFunc(parties, func(p Party) bool {
		return p.Present && p.Signs && slices.ContainsFunc(trusts, func(t Trust) bool { return t.Node == p.Name && slices.Contains(t.Keys, signer) })
	})
}

package engine

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/membership"
	"redoubt/internal/rbac"
	"redoubt/internal/rgm/model"
)

// Mirror follows the whole repository and keeps it decoded: the Source of every loop and of the control layer. A record that cannot be
// read is reported once and left out; the rest goes on.
type Mirror struct {
	store confdb.Store
	log   *slog.Logger

	current atomic.Pointer[Snapshot]
	entries map[string]confdb.Entry // owned by Run
	decoded map[string]any          // by key; the decoded form of what entries holds
	damaged map[string]bool

	watchers watchers
	first    chan struct{}
	once     sync.Once
}

// NewMirror returns a mirror that is empty until Run has heard the repository.
func NewMirror(store confdb.Store, log *slog.Logger) *Mirror {
	m := &Mirror{store: store, log: log, entries: map[string]confdb.Entry{}, decoded: map[string]any{}, damaged: map[string]bool{}, first: make(chan struct{})}
	m.current.Store(&Snapshot{Schema: confdb.OldestLevel, Revision: func(string) cluster.Revision { return 0 }})
	return m
}

// Snapshot implements Source.
func (m *Mirror) Snapshot() Snapshot { return *m.current.Load() }

// Filled is closed once the mirror has seen the repository for the first time.
func (m *Mirror) Filled() <-chan struct{} { return m.first }

// Subscribe implements Source.
func (m *Mirror) Subscribe(ctx context.Context) <-chan struct{} { return m.watchers.subscribe(ctx) }

// A snapshot of a large cluster takes its time, and while thousands of resources come up there would be a new one all the time: after each the mirror rests restFactor
// times as long, but no longer than restLimit, and what comes meanwhile makes one snapshot together. A small cluster has none of that.
const (
	restFactor = 3
	restLimit  = 100 * time.Millisecond
	restFrom   = time.Millisecond // shorter ones are not rested after
)

// Run follows the repository until ctx ends.
func (m *Mirror) Run(ctx context.Context) error {
	watch := m.store.Watch(ctx, confdb.Root)
	rest := time.NewTimer(0)
	defer rest.Stop()
	resting, news := true, false
	var rev cluster.Revision
	for {
		select {
		case ch, ok := <-watch:
			if !ok {
				return context.Cause(ctx)
			}
			rev, news = m.absorb(ch), true
		case <-rest.C:
			resting = false
		}
		if !news || resting {
			continue
		}
		began := time.Now()
		m.publish(rev)
		news = false
		if took := time.Since(began); took > restFrom {
			resting = true
			rest.Reset(min(restFactor*took, restLimit))
		}
	}
}

// absorb takes over a change and returns at which revision the repository is with it.
func (m *Mirror) absorb(ch confdb.Change) cluster.Revision {
	if ch.Reset == nil {
		for _, e := range ch.Entries {
			m.take(e)
		}
		return ch.Revision
	}
	clear(m.entries)
	clear(m.decoded)
	for _, e := range ch.Reset.Entries {
		m.take(e)
	}
	return ch.Reset.Revision
}

// take notes one entry.
func (m *Mirror) take(e confdb.Entry) {
	if e.Value == nil {
		delete(m.entries, e.Key)
		delete(m.decoded, e.Key)
		delete(m.damaged, e.Key)
		return
	}
	m.entries[e.Key] = e
	v, err := decode(e)
	if err != nil {
		delete(m.decoded, e.Key)
		if !m.damaged[e.Key] {
			m.log.Error("a record of the repository is left out", "key", e.Key, "err", err)
		}
		m.damaged[e.Key] = true
		return
	}
	delete(m.damaged, e.Key)
	m.decoded[e.Key] = v
}

// decode reads the record of an entry by its key; keys of unknown prefixes are nil.
func decode(e confdb.Entry) (any, error) {
	switch k := e.Key; {
	case k == confdb.KeyCluster:
		return confdb.Decode[model.Cluster](confdb.KindCluster, k, e.Value)
	case k == confdb.KeyMembership:
		return confdb.Decode[membership.Record](confdb.KindMembership, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixNode):
		return confdb.Decode[model.Node](confdb.KindNode, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixType):
		return confdb.Decode[model.Type](confdb.KindType, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixGroup):
		return confdb.Decode[model.Group](confdb.KindGroup, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixResource):
		return confdb.Decode[model.Resource](confdb.KindResource, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixWant):
		return confdb.Decode[model.Want](confdb.KindWant, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixAssign):
		return confdb.Decode[model.Assignment](confdb.KindAssignment, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixInstance):
		return confdb.Decode[model.Instance](confdb.KindInstance, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixSecret):
		return confdb.Decode[model.Secret](confdb.KindSecret, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixFarewell):
		return confdb.Decode[model.Farewell](confdb.KindFarewell, k, e.Value)
	case strings.HasPrefix(k, prefixRbac):
		return decodeRbac(k, e.Value)
	case k == confdb.KeyAuthorities:
		return confdb.Decode[model.Authorities](confdb.KindAuthorities, k, e.Value)
	case k == confdb.KeySchema:
		return confdb.Decode[model.Schema](confdb.KindSchema, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixReads):
		return confdb.Decode[model.Reads](confdb.KindReads, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixTrust):
		return confdb.Decode[model.Trust](confdb.KindTrust, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixCertificate):
		return confdb.Decode[model.Certificate](confdb.KindCertificate, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixRevoked):
		return confdb.Decode[model.Revoked](confdb.KindRevoked, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixNetwork):
		return confdb.Decode[model.Network](confdb.KindNetwork, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixAsk):
		return confdb.Decode[Ask](confdb.KindAsk, k, e.Value)
	}
	return nil, nil
}

// publish makes a new Snapshot of what is known now and tells everybody.
func (m *Mirror) publish(rev cluster.Revision) {
	s := &Snapshot{Serial: m.current.Load().Serial + 1, Schema: confdb.OldestLevel, Asks: map[string]Ask{}, Access: map[string][]byte{}}
	revisions := make(map[string]cluster.Revision, len(m.entries))
	keys := make([]string, 0, len(m.entries))
	for k, e := range m.entries {
		revisions[k] = e.ModRevision
		keys = append(keys, k)
	}
	slices.Sort(keys)
	s.Revision = func(key string) cluster.Revision { return revisions[key] }
	s.State.Basis.Revision = rev
	for _, k := range keys {
		m.put(s, k)
		if m.damaged[k] {
			damagedRbac(&s.Policy, k)
			s.Damaged = append(s.Damaged, k)
		}
	}
	slices.SortFunc(s.State.Instances, func(a, b model.Instance) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Node, b.Node))
	})
	m.current.Store(s)
	m.once.Do(func() { close(m.first) })
	m.watchers.tell()
}

// put adds the record under key to a snapshot; keys come in order, so slices end up sorted by name.
func (m *Mirror) put(s *Snapshot, key string) {
	switch v := m.decoded[key].(type) {
	case model.Cluster:
		s.State.Cluster = v
	case membership.Record:
		s.Record, s.RecordRevision = &v, m.entries[key].ModRevision
	case model.Node:
		s.State.Nodes = append(s.State.Nodes, model.NodeState{Node: v})
	case model.Type:
		s.State.Types = append(s.State.Types, v)
	case model.Group:
		s.State.Groups = append(s.State.Groups, v)
	case model.Resource:
		s.State.Resources = append(s.State.Resources, v)
	case model.Want:
		s.State.Wants = append(s.State.Wants, v)
	case model.Assignment:
		s.State.Assignments = append(s.State.Assignments, v)
	case model.Instance:
		s.State.Instances = append(s.State.Instances, v)
	case model.Secret:
		if v.Name == confdb.Name(confdb.PrefixSecret, key) {
			s.Secrets = append(s.Secrets, v)
		}
	case model.Farewell:
		s.State.Farewells = append(s.State.Farewells, v)
	case model.Network:
		s.State.Networks = append(s.State.Networks, v)
	case model.Authorities:
		s.Authorities = v
	case model.Schema:
		s.Schema = v.Level
	case model.Reads:
		s.Reads = append(s.Reads, v)
	case model.Trust:
		s.Trusts = append(s.Trusts, v)
	case model.Certificate:
		s.Certificates = append(s.Certificates, v)
	case model.Revoked:
		s.revoke(confdb.Name(confdb.PrefixRevoked, key), v)
	case Ask:
		s.Asks[key] = v
	case rbac.User, rbac.Group, rbac.Role, rbac.Profile:
		putRbac(&s.Policy, v)
	case nil:
		m.putRaw(s, key)
	}
}

// putRaw adds what is kept as stored.
func (m *Mirror) putRaw(s *Snapshot, key string) {
	switch {
	case key == confdb.KeyQuorum:
		s.Quorum = m.entries[key].Value
	case key == confdb.KeyForward:
		s.Forward = m.entries[key].Value
	case strings.HasPrefix(key, confdb.PrefixAccess):
		s.Access[key] = m.entries[key].Value
	case strings.HasPrefix(key, confdb.PrefixRevoked):
		s.revoke(confdb.Name(confdb.PrefixRevoked, key), model.Revoked{}) // damaged, but what it is about stands in the key
	}
}

func (s *Snapshot) revoke(fingerprint string, r model.Revoked) {
	s.Revoked, s.Revocations = append(s.Revoked, fingerprint), append(s.Revocations, r)
}

// UsersOf reports whether users or partners hold certificates of an authority that is about to go: valid ones that its successor did not give.
func (s *Snapshot) UsersOf(l model.Lineage, now time.Time) bool {
	if len(l.Roots) < 2 {
		return false
	}
	signing := l.Roots[len(l.Roots)-1].Fingerprint
	return slices.ContainsFunc(s.Certificates, func(c model.Certificate) bool {
		_, revoked := slices.BinarySearch(s.Revoked, c.Fingerprint)
		return c.Kind != "node" && !revoked && c.Issuer != signing && now.Before(c.NotAfter)
	})
}

// Uses reports whether a node's certificate is the one that the node uses now.
func (s *Snapshot) Uses(c model.Certificate) bool {
	return slices.ContainsFunc(s.State.Nodes, func(n model.NodeState) bool { return string(n.Name) == c.Name && n.Certificate == c.Fingerprint })
}

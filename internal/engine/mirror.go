package engine

import (
	"context"
	"log/slog"
	"maps"
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

	// What follows is owned by Run. Of the records that there can be thousands of, a snapshot gets the shelf as it is; of the others it is made anew.
	revisions   shelf[cluster.Revision] // of every key
	groups      shelf[model.Group]
	resources   shelf[model.Resource]
	wants       shelf[model.Want]
	assignments shelf[model.Assignment]
	instances   shelf[model.Instance]
	entries     map[string]confdb.Entry // of what is on no shelf
	decoded     map[string]any          // by key; the decoded form of what entries holds
	damaged     map[string]bool
	journal     journal

	watchers watchers
	first    chan struct{}
	once     sync.Once
}

// NewMirror returns a mirror that is empty until Run has heard the repository.
func NewMirror(store confdb.Store, log *slog.Logger) *Mirror {
	m := &Mirror{store: store, log: log, damaged: map[string]bool{}, first: make(chan struct{})}
	m.clear()
	m.current.Store(&Snapshot{Schema: confdb.OldestLevel, Revision: func(string) cluster.Revision { return 0 }})
	return m
}

// clear forgets everything that was read.
func (m *Mirror) clear() {
	m.revisions, m.groups, m.resources = shelf[cluster.Revision]{}, shelf[model.Group]{}, shelf[model.Resource]{}
	m.wants, m.assignments, m.instances = shelf[model.Want]{}, shelf[model.Assignment]{}, shelf[model.Instance]{}
	m.entries, m.decoded = map[string]confdb.Entry{}, map[string]any{}
	m.journal = journal{}
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
	rest := time.NewTimer(restLimit)
	rest.Stop()
	defer rest.Stop()
	resting, news := false, false
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
	m.clear()
	for _, e := range ch.Reset.Entries {
		m.take(e)
	}
	// What is different from before is not known, only what will be from the next snapshot on.
	m.journal = journal{from: m.next()}
	return ch.Reset.Revision
}

// place is what records are sorted by: their key, except for reports, which are sorted by group and then by node.
func place(key string) string {
	if rest, ok := strings.CutPrefix(key, confdb.PrefixInstance); ok {
		if node, group, ok := strings.Cut(rest, "/"); ok {
			return confdb.PrefixInstance + group + "\x00" + node
		}
	}
	return key
}

// next is the serial of the next snapshot.
func (m *Mirror) next() uint64 { return m.current.Load().Serial + 1 }

// take notes one entry.
func (m *Mirror) take(e confdb.Entry) {
	m.journal.add(m.next(), e.Key)
	if e.Value == nil {
		m.revisions.drop(e.Key)
		delete(m.damaged, e.Key)
		m.shelve(e, nil)
		return
	}
	m.revisions.set(e.Key, e.ModRevision)
	v, err := decode(e)
	if err != nil {
		if !m.damaged[e.Key] {
			m.log.Error("a record of the repository is left out", "key", e.Key, "err", err)
		}
		m.damaged[e.Key] = true
		m.shelve(e, nil)
		return
	}
	delete(m.damaged, e.Key)
	m.shelve(e, v)
}

// shelve puts a record where it belongs, or takes away what was there when it is nil.
func (m *Mirror) shelve(e confdb.Entry, v any) {
	switch k := e.Key; {
	case strings.HasPrefix(k, confdb.PrefixGroup):
		put(&m.groups, k, v)
	case strings.HasPrefix(k, confdb.PrefixResource):
		put(&m.resources, k, v)
	case strings.HasPrefix(k, confdb.PrefixWant):
		put(&m.wants, k, v)
	case strings.HasPrefix(k, confdb.PrefixAssign):
		put(&m.assignments, k, v)
	case strings.HasPrefix(k, confdb.PrefixInstance):
		put(&m.instances, place(k), v)
	default:
		delete(m.entries, k)
		delete(m.decoded, k)
		if e.Value != nil {
			m.entries[k] = e
		}
		if v != nil {
			m.decoded[k] = v
		}
	}
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
	case strings.HasPrefix(k, confdb.PrefixSession):
		return confdb.Decode[rbac.Session](confdb.KindSession, k, e.Value)
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
	case strings.HasPrefix(k, confdb.PrefixFencing):
		return confdb.Decode[model.Fencing](confdb.KindFencing, k, e.Value)
	case strings.HasPrefix(k, confdb.PrefixAsk):
		return confdb.Decode[Ask](confdb.KindAsk, k, e.Value)
	}
	return nil, nil
}

// publish makes a new Snapshot of what is known now and tells everybody.
func (m *Mirror) publish(rev cluster.Revision) {
	s := &Snapshot{Serial: m.next(), journal: m.journal, Schema: confdb.OldestLevel, Asks: map[string]Ask{}, Access: map[string][]byte{}}
	s.Revision = m.revisions.lookup()
	s.State.Basis.Revision = rev
	s.State.Groups, s.State.Resources, s.State.Wants = m.groups.lend(), m.resources.lend(), m.wants.lend()
	s.State.Assignments, s.State.Instances = m.assignments.lend(), m.instances.lend()
	for _, k := range slices.Sorted(maps.Keys(m.entries)) {
		m.put(s, k)
	}
	s.Damaged = slices.Sorted(maps.Keys(m.damaged))
	for _, k := range s.Damaged {
		damagedRbac(&s.Policy, k)
	}
	m.current.Store(s)
	m.once.Do(func() { close(m.first) })
	m.watchers.tell()
}

// put adds the record under key, one of those that are on no shelf; keys come in order, so slices end up sorted by name.
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
	case model.Secret:
		if v.Name == confdb.Name(confdb.PrefixSecret, key) {
			s.Secrets = append(s.Secrets, v)
		}
	case model.Farewell:
		s.State.Farewells = append(s.State.Farewells, v)
	case model.Fencing:
		s.Fencings = append(s.Fencings, v)
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
	case rbac.Session:
		if v.ID == confdb.Name(confdb.PrefixSession, key) {
			s.Sessions = append(s.Sessions, v)
		}
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

// Gave reports whether an authority has given certificates that are not revoked, or a node shows one of it.
func (s *Snapshot) Gave(authority string) bool {
	return slices.ContainsFunc(s.Certificates, func(c model.Certificate) bool {
		_, revoked := slices.BinarySearch(s.Revoked, c.Fingerprint)
		return c.Issuer == authority && !revoked
	}) || slices.ContainsFunc(s.Trusts, func(t model.Trust) bool { return t.Issuer == authority })
}

// Uses reports whether a node's certificate is the one that the node uses now.
func (s *Snapshot) Uses(c model.Certificate) bool {
	return slices.ContainsFunc(s.State.Nodes, func(n model.NodeState) bool { return string(n.Name) == c.Name && n.Certificate == c.Fingerprint })
}

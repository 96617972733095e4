package daemon

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"redoubt/internal/auditfile"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
	"redoubt/internal/sealed"
)

// fileSecret is the node's own key, in its state directory, to which private strings are encrypted.
const fileSecret = "secret.key"

// publicKeys are the node's public keys by purpose, as its record in the repository shall have them. Keys that do not exist yet are made.
func (c Config) publicKeys() (map[string]string, error) {
	box, err := sealed.Open(c.path(fileSecret))
	if err != nil {
		return nil, err
	}
	keys := map[string]string{model.KeySecret: box.Recipient()}
	// Without it the other nodes take the key from the node itself.
	if public, err := auditfile.PublicKey(c.path(dirLog)); err == nil {
		keys[model.KeyLog] = public
	}
	return keys, nil
}

// newSealer reads the node's key for private strings. Without a usable key the node serves on, and says why when it is asked for a string.
func newSealer(c Config) control.Sealer {
	box, err := sealed.Open(c.path(fileSecret))
	if err != nil {
		return noSealer{err}
	}
	return box
}

// secretsOf gives private strings to the methods of resources: each resource its own.
type secretsOf struct{ *node }

// SecretValue implements ocf.Secrets.
func (s secretsOf) SecretValue(resource cluster.ResourceName, name string) (string, error) {
	for _, p := range s.mirror.Snapshot().Secrets {
		if p.Name != name {
			continue
		}
		if !p.IsFor(resource) {
			return "", fault.Errorf(fault.Denied, "private string %s is bound to %s %s, and resource %s may not read it", name, p.ObjectType, p.Object, resource)
		}
		value, err := s.sealer.Unseal(p.Bound(), p.Sealed)
		if err != nil {
			return "", fault.Errorf(fault.CodeOf(err), "private string %s on node %s: %w", name, s.cfg.Node, err)
		}
		return string(value), nil
	}
	return "", fault.Errorf(fault.NotFound, "there is no private string %s; create it with `redoubt secret create -b %s %s`", name, resource, name)
}

// noSealer stands for a key that can not be used.
type noSealer struct{ err error }

// Seal implements control.Sealer.
func (s noSealer) Seal(string, []byte, []string) ([]byte, error) { return nil, s.err }

// Unseal implements control.Sealer.
func (s noSealer) Unseal(string, []byte) ([]byte, error) { return nil, s.err }

// publish keeps this node's public keys in its record: a node that joined before there was a key for some purpose, or that lost one, makes it known.
func (n *node) publish(ctx context.Context) error {
	keys, err := n.cfg.publicKeys()
	if err != nil {
		n.log.Error("this node can not read private strings", "err", err)
		return nil
	}
	news := n.mirror.Subscribe(ctx)
	for {
		if err := n.publishOnce(ctx, keys); err != nil && ctx.Err() == nil {
			n.log.Warn("the public keys of this node could not be written; trying again", "err", err)
			if wait(ctx, time.Second) != nil {
				return context.Cause(ctx)
			}
			continue
		}
		select {
		case <-news:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (n *node) publishOnce(ctx context.Context, keys map[string]string) error {
	snap, key := n.mirror.Snapshot(), confdb.KeyNode(n.cfg.Node)
	for _, s := range snap.State.Nodes {
		if s.Name != n.cfg.Node || contains(s.Keys, keys) {
			continue
		}
		next := s.Node
		next.Keys = maps.Clone(s.Keys)
		if next.Keys == nil {
			next.Keys = map[string]string{}
		}
		maps.Copy(next.Keys, keys)
		value, err := confdb.Encode(confdb.KindNode, next)
		if err != nil {
			return err
		}
		bounded, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err = n.gated().Txn(bounded, []confdb.Compare{{Key: key, Revision: snap.Revision(key)}}, []confdb.Op{{Key: key, Value: value}})
		if fault.Is(err, fault.Conflict) {
			return nil // the newer record comes as news
		}
		return err
	}
	return nil
}

// contains reports whether all of part stands in whole.
func contains(whole, part map[string]string) bool {
	for k, v := range part {
		if whole[k] != v {
			return false
		}
	}
	return true
}

// resourceOf names the resource for which a process of this machine runs, by the cgroup that its methods are started in; "" for any other process. Users may have cgroups of their own, and
// give them what names they like: the process has to be in the one below this node's services.
func (c Config) resourceOf(pid int) cluster.ResourceName {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !ok {
			continue
		}
		parts := strings.Split(path, "/")
		for i, p := range parts[:max(0, len(parts)-1)] {
			name, ok := strings.CutPrefix(parts[i+1], "rs-")
			if !ok || !strings.HasPrefix(p, "rg-") {
				continue
			}
			members, err := os.ReadFile(filepath.Join(c.services(), filepath.Join(parts[i:]...), "cgroup.procs"))
			if err == nil && slices.Contains(strings.Fields(string(members)), strconv.Itoa(pid)) {
				return cluster.ResourceName(name)
			}
		}
	}
	return ""
}

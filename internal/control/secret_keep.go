package control

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"filippo.io/age/armor"

	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// keepAgain is how long the keeper waits after a private string could not be encrypted anew.
const keepAgain = 5 * time.Second

// KeepSecrets encrypts private strings anew whenever the nodes or their keys have changed: a node that came can read them then, one that was removed can not
// read what is set from then on. It runs on every node, and for each string one node acts.
func (c *Control) KeepSecrets(ctx context.Context, r *Running) error {
	news := r.Source.Subscribe(ctx)
	self := Caller{Kind: CallerNode, Node: r.Node}
	for {
		var again <-chan time.Time
		v := c.look(r)
		for _, s := range v.snap.Secrets {
			if s.Resealer(v.state.Nodes) != r.Node || !r.Membership.MayStart() {
				continue
			}
			if err := c.reseal(ctx, r, self, s.Name); err != nil && ctx.Err() == nil {
				c.cfg.Log.Error("a private string could not be encrypted anew", "secret", s.Name, "err", err)
				again = time.After(keepAgain)
			}
		}
		select {
		case <-news:
		case <-again:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (c *Control) reseal(ctx context.Context, r *Running, self Caller, name string) error {
	res, err := c.change(ctx, r, self, configuration(func(d *draft) error {
		s, err := d.secret(name)
		if fault.Is(err, fault.NotFound) || s.Resealer(d.state.Nodes) != r.Node {
			return nil // deleted, or done, meanwhile
		}
		value, err := r.Sealer.Unseal(s.Bound(), s.Sealed)
		if err != nil {
			return err
		}
		readers := model.SecretReaders(d.state.Nodes)
		sealed, err := r.Sealer.Seal(s.Bound(), value, slices.Sorted(maps.Values(readers)))
		if err != nil {
			return err
		}
		d.put(confdb.PrefixSecret+name, confdb.KindSecret, s.Resealed(sealed, readers))
		return nil
	}))
	if err == nil {
		c.cfg.Log.Info("a private string is encrypted to the nodes as they are now", "secret", name, "revision", res.Revision)
	}
	return err
}

// armored is a sealed value as text.
func armored(sealed []byte) (string, error) {
	var b strings.Builder
	w := armor.NewWriter(&b)
	_, err := w.Write(sealed)
	if err = errors.Join(err, w.Close()); err != nil {
		return "", fault.Errorf(fault.Internal, "write a private string as text: %w", err)
	}
	return b.String(), nil
}

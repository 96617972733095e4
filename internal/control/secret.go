package control

import (
	"context"
	"maps"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// Sealer encrypts private strings to the nodes' keys, and decrypts what is encrypted to this node's. to says what the value is and comes back only
// under the same words.
type Sealer interface {
	Seal(to string, value []byte, recipients []string) ([]byte, error)
	Unseal(to string, sealed []byte) ([]byte, error)
}

// The bounds of private strings.
const (
	maxSecrets = 1000
	maxSecret  = 64 << 10 // bytes of a value
)

func secretNames(list []model.Secret) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, s.Name)
	}
	return out
}

func (v view) secret(name string) (model.Secret, error) {
	i := slices.IndexFunc(v.snap.Secrets, func(s model.Secret) bool { return s.Name == name })
	if i < 0 {
		return model.Secret{}, unknown("secret", name, secretNames(v.snap.Secrets))
	}
	return v.snap.Secrets[i], nil
}

// secretsOf are the private strings with the names, or all, that are bound to an object, or to any.
func (v view) secretsOf(names []string, objectType, object string) ([]model.Secret, error) {
	shown, err := shownNames("secret", names, secretNames(v.snap.Secrets))
	if err != nil {
		return nil, err
	}
	var out []model.Secret
	for _, s := range v.snap.Secrets {
		if slices.Contains(shown, s.Name) && (object == "" || s.Object == object) && (objectType == "" || s.ObjectType == objectType) {
			out = append(out, s)
		}
	}
	return out, nil
}

// SecretList lists the private strings.
func (c *Control) SecretList(ctx context.Context, who Caller, in v1.SecretList) ([]string, error) {
	_, v, err := c.reading(ctx, who, "secret list")
	if err != nil {
		return nil, err
	}
	list, err := v.secretsOf(in.Names, in.Type, in.Object)
	return secretNames(list), err
}

// SecretShow shows private strings, but never a value.
func (c *Control) SecretShow(ctx context.Context, who Caller, in v1.SecretShow) ([]v1.Secret, error) {
	_, v, err := c.reading(ctx, who, "secret show")
	if err != nil {
		return nil, err
	}
	list, err := v.secretsOf(in.Names, in.Type, in.Object)
	out := []v1.Secret{}
	for _, s := range list {
		out = append(out, v.wireSecret(s))
	}
	return out, err
}

func (v view) wireSecret(s model.Secret) v1.Secret {
	out := v1.Secret{
		Name: s.Name, ObjectType: s.ObjectType, Object: s.Object, Exists: v.hasObject(s), Version: s.Version, By: s.By, At: s.At, Readable: []string{}, KnownTo: words(s.KnownTo),
	}
	want := model.SecretReaders(v.state.Nodes)
	for _, n := range check.NodesThatRun(v.state) {
		if key, ok := s.Readers[n]; ok && key == want[n] {
			out.Readable = append(out.Readable, string(n))
		} else {
			out.Waiting = append(out.Waiting, string(n))
		}
	}
	return out
}

func (v view) hasObject(s model.Secret) bool {
	_, ok := check.Resource(v.state, cluster.ResourceName(s.Object))
	return s.ObjectType == model.ObjectResource && ok
}

// oneSecret is the one name that an operation with a value takes.
func oneSecret(names []string, all bool) (string, error) {
	if len(names) != 1 || all {
		return "", fault.Errorf(fault.Invalid, "secret: name one private string; each has a value of its own")
	}
	if err := cluster.CheckName("secret", names[0]); err != nil {
		return "", fault.Errorf(fault.Invalid, "%w", err)
	}
	return names[0], nil
}

func checkValue(name string, value []byte) error {
	if len(value) == 0 {
		return fault.Errorf(fault.Invalid, "secret %s: its value is empty; give it on standard input, in a file with -f, or on the terminal when asked", name)
	}
	if len(value) > maxSecret {
		return fault.Errorf(fault.Invalid, "secret %s: its value has %d bytes, more than the %d allowed", name, len(value), maxSecret)
	}
	return nil
}

// sealed encrypts a value to all nodes as they are now, and makes the string depend on them.
func (d *draft) sealed(r *Running, s model.Secret, value []byte) (model.Secret, error) {
	readers := model.SecretReaders(d.state.Nodes)
	if _, ok := readers[r.Node]; !ok {
		return s, fault.Errorf(fault.Unavailable, "secret %s: node %s has not published its key for private strings yet; try again in a moment", s.Name, r.Node)
	}
	sealed, err := r.Sealer.Seal(s.Bound(), value, slices.Sorted(maps.Values(readers)))
	s.Sealed, s.Readers, s.KnownTo = sealed, readers, nil
	s.Version, s.By, s.At = s.Version+1, d.who.String(), d.now.UTC()
	return s, err
}

// SecretCreate creates a private string and binds it to an object.
func (c *Control) SecretCreate(ctx context.Context, who Caller, in v1.SecretCreate) (v1.Result, error) {
	r, err := c.enter(ctx, who, "secret create")
	if err != nil {
		return v1.Result{}, err
	}
	name, err := oneSecret(in.Names, in.All)
	if err != nil {
		return v1.Result{}, err
	}
	if in.Type == "" {
		in.Type = model.ObjectResource
	}
	switch {
	case in.Type != model.ObjectResource:
		return v1.Result{}, fault.Errorf(fault.Invalid, "secret %s: a private string is bound to a resource, not to a %q", name, in.Type)
	case in.Object == "":
		return v1.Result{}, fault.Errorf(fault.Invalid, "secret %s: name the resource whose methods use it with -b; it need not exist yet", name)
	}
	if err := cluster.CheckName("resource", in.Object); err != nil {
		return v1.Result{}, fault.Errorf(fault.Invalid, "secret %s: %w", name, err)
	}
	if err := checkValue(name, in.Value); err != nil {
		return v1.Result{}, err
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		if _, err := d.secret(name); err == nil {
			return fault.Errorf(fault.Exists, "secret %s exists already; `redoubt secret set %s` gives it another value", name, name)
		}
		if len(d.snap.Secrets) >= maxSecrets {
			return fault.Errorf(fault.Precondition, "secret %s: there are %d private strings already, as many as there may be; delete those that nobody uses", name, maxSecrets)
		}
		s, err := d.sealed(r, model.Secret{Name: name, ObjectType: in.Type, Object: in.Object}, in.Value)
		if err != nil {
			return err
		}
		d.put(confdb.PrefixSecret+name, confdb.KindSecret, s)
		if !d.hasObject(s) {
			d.say("secret " + name + " is bound to resource " + in.Object + ", which does not exist yet")
		}
		return nil
	}))
}

// SecretSet gives a private string another value.
func (c *Control) SecretSet(ctx context.Context, who Caller, in v1.SecretSet) (v1.Result, error) {
	r, err := c.enter(ctx, who, "secret set")
	if err != nil {
		return v1.Result{}, err
	}
	name, err := oneSecret(in.Names, in.All)
	if err != nil {
		return v1.Result{}, err
	}
	if err := checkValue(name, in.Value); err != nil {
		return v1.Result{}, err
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		s, err := d.secret(name)
		if err != nil {
			return err
		}
		if s, err = d.sealed(r, s, in.Value); err != nil {
			return err
		}
		d.put(confdb.PrefixSecret+name, confdb.KindSecret, s)
		return nil
	}))
}

// SecretDelete deletes private strings.
func (c *Control) SecretDelete(ctx context.Context, who Caller, in v1.SecretDelete) (v1.Result, error) {
	r, err := c.enter(ctx, who, "secret delete")
	if err != nil {
		return v1.Result{}, err
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		names, err := selected("secret", in.Names, in.All, secretNames(d.snap.Secrets))
		if err != nil {
			return err
		}
		var errs []error
		for _, n := range names {
			s, err := d.secret(n)
			if err == nil && d.hasObject(s) && !in.Force {
				err = fault.Errorf(fault.Precondition, "secret %s is bound to resource %s, which exists and may need it; -F deletes it all the same", n, s.Object)
			}
			errs = append(errs, err)
			d.drop(confdb.PrefixSecret + n)
		}
		return together(errs)
	}))
}

// pstring gives the value of a private string to root of this node, or to a method of the resource that it is bound to.
func (c *Control) pstring(r *Running, v view, who Caller, args []string) ([]string, error) {
	if len(args) != 1 {
		return nil, fault.Errorf(fault.Invalid, "PSTRING takes one argument, the name of a private string")
	}
	s, err := v.secret(args[0])
	if err != nil {
		return nil, err
	}
	if err := mayUnseal(who, s); err != nil {
		c.cfg.Log.Warn("a private string was not given out", "secret", s.Name, "caller", who.String(), "resource", who.Resource)
		return nil, err
	}
	value, err := r.Sealer.Unseal(s.Bound(), s.Sealed)
	if err != nil {
		return nil, fault.Errorf(fault.CodeOf(err), "secret %s on node %s: %w", s.Name, r.Node, err)
	}
	return []string{string(value)}, nil
}

// mayUnseal says who gets a value: root on a node of the cluster, and what runs for a resource only when the string is bound to that resource.
func mayUnseal(who Caller, s model.Secret) error {
	if who.Kind != CallerLocal || who.UID != 0 {
		return fault.Errorf(fault.Denied, "secret %s: %s may not read it: only root on a node of the cluster may, and the methods of %s %s", s.Name, who, s.ObjectType, s.Object)
	}
	if who.Resource != "" && !s.IsFor(who.Resource) {
		return fault.Errorf(fault.Denied, "secret %s is bound to %s %s; the methods of resource %s may not read it", s.Name, s.ObjectType, s.Object, who.Resource)
	}
	return nil
}

// SecretVerify asks every node whether it can read the private strings.
func (c *Control) SecretVerify(ctx context.Context, who Caller, in v1.SecretVerify) ([]v1.Secret, error) {
	r, v, err := c.reading(ctx, who, "secret verify")
	if err != nil {
		return nil, err
	}
	list, err := v.secretsOf(in.Names, "", "")
	if err != nil {
		return nil, err
	}
	broken := map[string][]string{}
	for _, n := range v.members() {
		var answer v1.Unreadable
		if n == r.Node {
			answer = unreadable(r, v)
		} else if err := r.Peers.Call(ctx, n, "peer", "secrets", v1.PeerSecrets{}, &answer); err != nil {
			for _, s := range list {
				broken[s.Name] = append(broken[s.Name], string(n)+": it does not answer")
			}
			continue
		}
		for name, why := range answer.Secrets {
			broken[name] = append(broken[name], string(n)+": "+why)
		}
	}
	out := []v1.Secret{}
	for _, s := range list {
		w := v.wireSecret(s)
		w.Unreadable = broken[s.Name]
		out = append(out, w)
	}
	return out, nil
}

// PeerSecrets says which private strings this node can not read.
func (c *Control) PeerSecrets(ctx context.Context, who Caller, in v1.PeerSecrets) (v1.Unreadable, error) {
	r, v, err := c.reading(ctx, who, "peer secrets")
	if err != nil {
		return v1.Unreadable{}, err
	}
	return unreadable(r, v), nil
}

func unreadable(r *Running, v view) v1.Unreadable {
	out := v1.Unreadable{Secrets: map[string]string{}}
	for _, s := range v.snap.Secrets {
		if _, err := r.Sealer.Unseal(s.Bound(), s.Sealed); err != nil {
			out.Secrets[s.Name] = err.Error()
		}
	}
	return out
}

// SecretExport gives the private strings encrypted to the operator's key. What is exported can be read wherever that key is, so only root of a node may.
func (c *Control) SecretExport(ctx context.Context, who Caller, in v1.SecretExport) ([]v1.SecretDocument, error) {
	r, v, err := c.reading(ctx, who, "secret export")
	if err != nil {
		return nil, err
	}
	list, err := v.secretsOf(in.Names, "", "")
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(in.Recipient, "age1") {
		return nil, fault.Errorf(fault.Invalid, "secret export: give the key to encrypt to, age1…; `age-keygen` makes one")
	}
	out := []v1.SecretDocument{}
	for _, s := range list {
		if err := mayUnseal(who, s); err != nil {
			return nil, err
		}
		value, err := r.Sealer.Unseal(s.Bound(), s.Sealed)
		if err != nil {
			return nil, fault.Errorf(fault.CodeOf(err), "secret %s on node %s: %w", s.Name, r.Node, err)
		}
		sealed, err := r.Sealer.Seal(s.Bound(), value, []string{in.Recipient})
		if err != nil {
			return nil, err
		}
		text, err := armored(sealed)
		if err != nil {
			return nil, err
		}
		out = append(out, v1.SecretDocument{Name: s.Name, ObjectType: s.ObjectType, Object: s.Object, Sealed: text})
	}
	return out, nil
}

package etcdstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/protobuf/proto"

	"redoubt/internal/cluster"
	"redoubt/internal/confdb"
	"redoubt/internal/fault"
)

// Records reads, by key, the records that wanted names, out of a repository that no member runs on: path is its data directory, or a snapshot. The revision is that of the newest
// transaction in its database; what a member that was killed had only in its log is not there. Unavailable: a process uses it; Internal: it can not be read.
func Records(ctx context.Context, path string, wanted func(key string) bool) ([]confdb.Entry, cluster.Revision, error) {
	file := path
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		file = dbFile(path)
	}
	var found content
	live, out := map[string]bool{}, map[string]confdb.Entry{}
	err := walkDatabase(ctx, file, func(bucket string, k, v []byte) error {
		if bucket != "key" {
			return nil
		}
		if err := found.note(live, k, v); err != nil {
			return err
		}
		var kv mvccpb.KeyValue
		if err := proto.Unmarshal(v, &kv); err != nil {
			return fmt.Errorf("revision %x can not be read: %w", k, err)
		}
		key := string(kv.Key)
		switch { // revisions come in their order
		case !live[key]:
			delete(out, key)
		case wanted(key):
			out[key] = confdb.Entry{Key: key, Value: kv.Value, ModRevision: cluster.Revision(binary.BigEndian.Uint64(k))}
		}
		return nil
	})
	switch {
	case errors.Is(err, errInUse):
		return nil, 0, fault.Errorf(fault.Unavailable, "the repository in %s is in use by another process: end it first", path)
	case err != nil:
		return nil, 0, fault.Errorf(fault.Internal, "the repository in %s can not be read: %w", path, err)
	}
	return slices.SortedFunc(maps.Values(out), func(a, b confdb.Entry) int { return strings.Compare(a.Key, b.Key) }), found.revision, nil
}

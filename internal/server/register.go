package server

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	v1 "redoubt/api/v1"
	"redoubt/internal/control"
	"redoubt/internal/fault"
	"redoubt/internal/version"
)

// ours makes huma's errors ours and its validation exact: a field is written as the schema has it. Huma has one place for each in the whole process.
var ours = sync.OnceFunc(func() {
	huma.NewError = refusedBySchema
	huma.ValidateStrictCasing = true
})

// registrar adds operations to the API.
type registrar struct {
	server *Server
	api    huma.API
}

type body[T any] struct{ Body T }

// document is the document that an operation answers with. Its type is the same for all, so that what huma does for each route is compiled once for each input only.
type document struct{ Body any }

// answers describes the document.
func (r registrar) answers(kind reflect.Type) *huma.Response {
	return &huma.Response{Content: map[string]*huma.MediaType{"application/json": {Schema: r.api.OpenAPI().Components.Schemas.Schema(kind, true, "")}}}
}

// route is how one operation comes into the API.
type route func(r registrar, op v1.Operation)

// bind makes the route of an operation from its method. A read answers to GET with its input in the query; every operation answers to POST with
// its input as the body, so that a client need not know which it is.
func bind[In, Out any](method control.Method[In, Out]) route {
	return func(r registrar, op v1.Operation) {
		do := func(ctx context.Context, in In) (*document, error) {
			req := about(ctx)
			out, err := control.Do(ctx, r.server.cfg.Control, req.who, op, in, method)
			req.recorded = true
			if err != nil {
				req.err = err
				return nil, failed(err, req.id)
			}
			return &document{out}, nil
		}
		if op.Read {
			get := r.describe(op, http.MethodGet)
			get.Responses["200"] = r.answers(reflect.TypeFor[Out]())
			huma.Register(r.api, get, func(ctx context.Context, in *In) (*document, error) { return do(ctx, *in) })
		}
		post := r.describe(op, http.MethodPost)
		post.Responses["200"] = r.answers(reflect.TypeFor[Out]())
		post.Hidden = op.Read
		huma.Register(r.api, post, func(ctx context.Context, in *body[In]) (*document, error) { return do(ctx, in.Body) })
	}
}

// stream makes the route of an operation that answers with bytes. A stream that fails on the way breaks the connection off: its reader must
// not take a part for the whole.
func stream[In any](method control.Method[In, control.Snapshot]) route {
	return func(r registrar, op v1.Operation) {
		d := r.describe(op, http.MethodGet)
		d.Responses["200"] = &huma.Response{Description: "The bytes", Content: map[string]*huma.MediaType{
			"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}},
		}}
		huma.Register(r.api, d, func(ctx context.Context, in *In) (*huma.StreamResponse, error) {
			req := about(ctx)
			snap, err := control.Do(ctx, r.server.cfg.Control, req.who, op, *in, method)
			req.recorded = true
			if err != nil {
				req.err = err
				return nil, failed(err, req.id)
			}
			return &huma.StreamResponse{Body: func(hctx huma.Context) {
				defer snap.Body.Close()
				hctx.SetHeader("Content-Type", "application/octet-stream")
				if snap.Size > 0 {
					hctx.SetHeader("Content-Length", strconv.FormatInt(snap.Size, 10))
				}
				n, err := io.Copy(hctx.BodyWriter(), snap.Body)
				if err == nil && snap.Size > 0 && n != snap.Size {
					err = io.ErrUnexpectedEOF
				}
				if err != nil {
					req.err = fault.Errorf(fault.Internal, "%s %s: the stream broke off after %d bytes: %w", op.Noun, op.Verb, n, err)
					panic(http.ErrAbortHandler)
				}
			}}, nil
		})
	}
}

// describe makes the description of an operation.
func (r registrar) describe(op v1.Operation, method string) huma.Operation {
	who := "root of a node, or whoever was granted that"
	switch {
	case op.Open:
		who += ", or anybody: the access list decides"
	case op.Authorization == v1.AuthNode:
		who = "root of a node, or a node of the cluster"
	case op.Authorization == v1.AuthRoot:
		who = "root of a node"
	case op.Authorization == v1.AuthSelf:
		who = "everybody who is known"
	case op.Authorization == v1.AuthOwn:
		who = "root of a node, or on a node by a user for himself"
	}
	about := "Needs " + op.Authorization + ". May be called by " + who + "."
	if op.Firm {
		about += " Not in a session: the caller has to be known by the kernel or by a certificate."
	}
	if op.Single {
		about += " Works on a node that is in no cluster."
	}
	return huma.Operation{
		OperationID: op.Noun + "-" + op.Verb, Method: method, Path: "/v1/" + op.Noun + "/" + op.Verb, Summary: op.Summary, Description: about, Tags: []string{op.Noun},
		Extensions: map[string]any{"x-authorization": op.Authorization}, MaxBodyBytes: maxBody, BodyReadTimeout: -1,
		Responses: map[string]*huma.Response{"default": r.refusal()},
	}
}

// refusal is the answer to everything that does not succeed.
func (r registrar) refusal() *huma.Response {
	return &huma.Response{Description: "What failed, why, and what to do", Content: map[string]*huma.MediaType{
		"application/json": {Schema: r.api.OpenAPI().Components.Schemas.Schema(errorType, true, "")},
	}}
}

// newAPI makes the empty API on a mux. Answers are the documents of api/v1 and nothing beside them.
func newAPI(mux *http.ServeMux) huma.API {
	ours()
	cfg := huma.DefaultConfig("Redoubt", version.Version)
	cfg.Info.Description = "The API of a Redoubt node. A read is GET /v1/NOUN/VERB with its input in the query, a change is POST /v1/NOUN/VERB with its input as JSON."
	cfg.DocsPath, cfg.SchemasPath = "", ""
	cfg.CreateHooks = nil // no $schema in the answers
	cfg.RejectUnknownQueryParameters = true
	return humago.New(mux, cfg)
}

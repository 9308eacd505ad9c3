package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// told prints what a watch says until it ends.
func told(what string, seen watch.Interface, err error) {
	if err != nil {
		say(what, nil, err)
		return
	}
	for event := range seen.ResultChan() {
		switch object := event.Object.(type) {
		case *metav1.Status:
			fmt.Printf("%s: %s %d %s\n", what, event.Type, object.Code, object.Reason)
		default:
			found, err := meta.Accessor(object)
			must(err)
			// servers tell how far they are when they like
			if found.GetName() != "kube-root-ca.crt" && (event.Type != watch.Bookmark || found.GetAnnotations() != nil) {
				fmt.Printf("%s: %s %T %q %v\n", what, event.Type, object, found.GetName(), found.GetAnnotations())
			}
		}
	}
	fmt.Printf("%s: the end\n", what)
}

// watches: where they begin, what they choose, how they end.
func watches(w *world) {
	configMaps := w.client.CoreV1().ConfigMaps(w.namespace)
	start, err := configMaps.List(w, metav1.ListOptions{})
	must(err)
	change := func(name string, labels map[string]string) {
		body := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
		if _, err := configMaps.Create(w, body, metav1.CreateOptions{}); errors.IsAlreadyExists(err) {
			_, err = configMaps.Update(w, body, metav1.UpdateOptions{})
			must(err)
		}
	}
	change("a", map[string]string{"n": "a"})
	change("b", map[string]string{"n": "b"})
	change("a", nil)
	change("a", map[string]string{"n": "a", "m": "x"})
	must(configMaps.Delete(w, "b", metav1.DeleteOptions{}))
	second, yes, no := int64(1), true, false
	for _, each := range []struct {
		what    string
		options metav1.ListOptions
	}{
		{"from a version", metav1.ListOptions{ResourceVersion: start.ResourceVersion}},
		{"chosen by label", metav1.ListOptions{ResourceVersion: start.ResourceVersion, LabelSelector: "n=a"}},
		{"chosen by name", metav1.ListOptions{ResourceVersion: start.ResourceVersion, FieldSelector: "metadata.name=b"}},
		{"from 0", metav1.ListOptions{ResourceVersion: "0"}},
		{"from nowhere", metav1.ListOptions{}},
		{"initial events", metav1.ListOptions{SendInitialEvents: &yes, ResourceVersionMatch: "NotOlderThan", AllowWatchBookmarks: true}},
		{"initial events without bookmarks", metav1.ListOptions{SendInitialEvents: &yes, ResourceVersionMatch: "NotOlderThan"}},
		{"initial events, from a version", metav1.ListOptions{SendInitialEvents: &yes, ResourceVersionMatch: "NotOlderThan", AllowWatchBookmarks: true, ResourceVersion: start.ResourceVersion}},
		{"no initial events", metav1.ListOptions{SendInitialEvents: &no, ResourceVersionMatch: "NotOlderThan", AllowWatchBookmarks: true}},
		{"no initial events, from a version", metav1.ListOptions{SendInitialEvents: &no, ResourceVersionMatch: "NotOlderThan", ResourceVersion: start.ResourceVersion}},
		{"initial events without a match", metav1.ListOptions{SendInitialEvents: &yes, AllowWatchBookmarks: true}},
		{"a match without initial events", metav1.ListOptions{ResourceVersionMatch: "NotOlderThan"}},
		{"another match", metav1.ListOptions{SendInitialEvents: &yes, ResourceVersionMatch: "Exact"}},
		{"no version", metav1.ListOptions{ResourceVersion: "x"}},
		{"bad selector", metav1.ListOptions{LabelSelector: "="}},
	} {
		each.options.TimeoutSeconds = &second
		seen, err := configMaps.Watch(w, each.options)
		told(each.what, seen, err)
	}
	one := cache.NewListWatchFromClient(w.client.CoreV1().RESTClient(), "configmaps", w.namespace, fields.OneTermEqualSelector("metadata.name", "a"))
	event, err := watchtools.UntilWithSync(w, one, &corev1.ConfigMap{}, nil, func(event watch.Event) (bool, error) {
		return event.Object.(*corev1.ConfigMap).Labels["m"] == "x", nil
	})
	must(err)
	fmt.Printf("until: %s\n", event.Type)
	stopped, stop := context.WithCancel(w)
	retried, err := watchtools.NewRetryWatcherWithContext(stopped, start.ResourceVersion, &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
		options.LabelSelector = "n=a"
		return configMaps.Watch(ctx, options)
	}})
	must(err)
	for range 3 {
		event := <-retried.ResultChan()
		fmt.Printf("retried: %s %s\n", event.Type, event.Object.(*corev1.ConfigMap).Name)
	}
	stop()
}

// diary notes what an informer tells, one line a change.
type diary struct {
	sync.Mutex
	lines []string
}

func (d *diary) handler() cache.ResourceEventHandlerFuncs {
	note := func(what string, object any) {
		if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = last.Obj
		}
		found, err := meta.Accessor(object)
		must(err)
		if found.GetName() == "kube-root-ca.crt" {
			return
		}
		d.Lock()
		defer d.Unlock()
		d.lines = append(d.lines, fmt.Sprintf("%s %T %s %v", what, object, found.GetName(), found.GetLabels()))
	}
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { note("added", object) },
		UpdateFunc: func(_, object any) { note("changed", object) },
		DeleteFunc: func(object any) { note("deleted", object) },
	}
}

// wait until there are so many lines, then print them.
func (d *diary) wait(w *world, count int) {
	w.until(fmt.Sprintf("%d lines", count), func() bool { d.Lock(); defer d.Unlock(); return len(d.lines) >= count })
	d.Lock()
	defer d.Unlock()
	for _, line := range d.lines {
		fmt.Println(line)
	}
}

// informed: a shared factory, which lists by watching if the server can.
func informed(w *world, content string) {
	configMaps := w.client.CoreV1().ConfigMaps(w.namespace)
	stopped, stop := context.WithCancel(w)
	defer stop()
	seen := &diary{}
	factory := informers.NewSharedInformerFactoryWithOptions(w.as(content), time.Hour, informers.WithNamespace(w.namespace))
	informer := factory.Core().V1().ConfigMaps().Informer()
	_, err := informer.AddEventHandler(seen.handler())
	must(err)
	pods := factory.Core().V1().Pods().Lister()
	budgets := factory.Policy().V1().PodDisruptionBudgets().Informer()
	sets := factory.Apps().V1().ReplicaSets().Informer()
	factory.Start(stopped.Done())
	for kind, synced := range factory.WaitForCacheSync(w.Done()) {
		if !synced {
			fmt.Printf("%v: not synced\n", kind)
		}
	}
	none, err := pods.List(labels.Everything())
	must(err)
	fmt.Printf("synced: %d pods, %v, %v\n", len(none), budgets.HasSynced(), sets.HasSynced())
	body, err := configMaps.Create(w, &corev1.ConfigMap{ObjectMeta: named("a")}, metav1.CreateOptions{})
	must(err)
	body.Labels["m"] = "x"
	_, err = configMaps.Update(w, body, metav1.UpdateOptions{})
	must(err)
	must(configMaps.Delete(w, "a", metav1.DeleteOptions{}))
	seen.wait(w, 3)
}

// reflector: a watch that is told to begin anew lists again, and misses nothing.
func reflector(w *world) {
	configMaps := w.client.CoreV1().ConfigMaps(w.namespace)
	_, err := configMaps.Create(w, &corev1.ConfigMap{ObjectMeta: named("a")}, metav1.CreateOptions{})
	must(err)
	lists, watched := 0, 0
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			lists++
			return configMaps.List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			if watched++; watched == 1 {
				return nil, errors.NewResourceExpired("too old") // as if the server had forgotten
			}
			return configMaps.Watch(ctx, options)
		},
	}
	store := cache.NewStore(cache.MetaNamespaceKeyFunc)
	stopped, stop := context.WithCancel(w)
	go cache.NewReflectorWithOptions(cache.ToListWatcherWithWatchListSemantics(source, unlisted{}), &corev1.ConfigMap{}, store, cache.ReflectorOptions{}).RunWithContext(stopped)
	has := func(name string) func() bool {
		return func() bool { _, found, _ := store.GetByKey(w.namespace + "/" + name); return found }
	}
	w.until("the first", has("a"))
	_, err = configMaps.Create(w, &corev1.ConfigMap{ObjectMeta: named("b")}, metav1.CreateOptions{})
	must(err)
	w.until("the second", has("b"))
	stop()
	fmt.Printf("listed again: %v, watched again: %v\n", lists > 1, watched > 1)
}

// unlisted is a client that lists before it watches.
type unlisted struct{}

func (unlisted) IsWatchListSemanticsUnSupported() bool { return true }

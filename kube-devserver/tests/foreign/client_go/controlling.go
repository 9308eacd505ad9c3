package main

import (
	"context"
	"fmt"
	"sort"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"
	control "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// leader: two candidates, one after the other, by a Lease.
func leader(w *world) {
	began := make(chan string)
	stop := func(name string) context.CancelFunc {
		stopped, stop := context.WithCancel(w)
		lock, err := resourcelock.New(resourcelock.LeasesResourceLock, w.namespace, "lock", w.client.CoreV1(), w.client.CoordinationV1(), resourcelock.ResourceLockConfig{Identity: name})
		must(err)
		go leaderelection.RunOrDie(stopped, leaderelection.LeaderElectionConfig{
			Lock: lock, LeaseDuration: 2 * time.Second, RenewDeadline: time.Second, RetryPeriod: 100 * time.Millisecond, ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) { began <- name }, OnStoppedLeading: func() {}},
		})
		return stop
	}
	first := stop("one")
	fmt.Printf("leads: %s\n", <-began)
	second := stop("two")
	time.Sleep(500 * time.Millisecond)
	first()
	fmt.Printf("leads: %s\n", <-began)
	lease, err := w.client.CoordinationV1().Leases(w.namespace).Get(w, "lock", metav1.GetOptions{})
	must(err)
	fmt.Printf("lease: %s, transitions %d\n", *lease.Spec.HolderIdentity, *lease.Spec.LeaseTransitions)
	second()
}

// recorded: events of both recorders, with what they do of those that come again.
func recorded(w *world) {
	about, err := w.client.CoreV1().ConfigMaps(w.namespace).Create(w, &corev1.ConfigMap{ObjectMeta: named("a")}, metav1.CreateOptions{})
	must(err)
	about.APIVersion, about.Kind = "v1", "ConfigMap"
	stopped, stop := context.WithCancel(w)
	defer stop()
	old := record.NewBroadcaster(record.WithContext(stopped))
	old.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: w.client.CoreV1().Events(w.namespace)})
	recorder := old.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "old"})
	for range 3 {
		recorder.Event(about, "Warning", "Again", "the same")
	}
	fresh := events.NewBroadcaster(&events.EventSinkImpl{Interface: w.client.EventsV1()})
	must(fresh.StartRecordingToSinkWithContext(stopped))
	newer := fresh.NewRecorder(scheme.Scheme, "new.example.dev/controller")
	for range 3 {
		newer.Eventf(about, nil, "Normal", "Anew", "Look", "seen %d", 1)
	}
	var found []corev1.Event
	w.until("events", func() bool {
		list, err := w.client.CoreV1().Events(w.namespace).List(w, metav1.ListOptions{FieldSelector: "involvedObject.name=a"})
		must(err)
		found = list.Items
		return len(found) == 2 && found[0].Count+found[1].Count >= 3 && (found[0].Series != nil || found[1].Series != nil)
	})
	sort.Slice(found, func(i, j int) bool { return found[i].Reason < found[j].Reason })
	for _, each := range found {
		each.Name, each.ReportingInstance = "", ""
		if each.Series != nil {
			each.Series.Count = min(each.Series.Count, 2)
		}
		say("event", each, nil)
	}
}

// reconciler gives each Thing a ConfigMap, and says in its status that it has seen it.
type reconciler struct {
	client.Client
}

func (r *reconciler) Reconcile(ctx context.Context, request control.Request) (control.Result, error) {
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(thingKind)
	if err := r.Get(ctx, request.NamespacedName, found); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if found.GetDeletionTimestamp() != nil {
		if controllerutil.RemoveFinalizer(found, "foreign.example.dev/f") {
			return control.Result{}, r.Update(ctx, found)
		}
		return control.Result{}, nil
	}
	if controllerutil.AddFinalizer(found, "foreign.example.dev/f") {
		return control.Result{}, r.Update(ctx, found)
	}
	child := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: found.GetName(), Namespace: found.GetNamespace()}}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, child, func() error {
		child.Data = map[string]string{"of": found.GetName()}
		return controllerutil.SetControllerReference(found, child, r.Scheme())
	})
	if err != nil {
		return control.Result{}, err
	}
	before := found.DeepCopy()
	must(unstructured.SetNestedField(found.Object, "yes", "status", "seen"))
	return control.Result{}, r.Status().Patch(ctx, found, client.MergeFrom(before))
}

// managed: a manager of controller-runtime, with its cache, its leader election and a reconciler.
func managed(w *world) {
	defined(w)
	control.SetLogger(logr.Discard())
	manager, err := control.NewManager(w.config, control.Options{
		Metrics: server.Options{BindAddress: "0"}, LeaderElection: true, LeaderElectionID: "manager", LeaderElectionNamespace: w.namespace,
		LeaderElectionReleaseOnCancel: true, Cache: cache.Options{DefaultNamespaces: map[string]cache.Config{w.namespace: {}}},
	})
	must(err)
	kind := &unstructured.Unstructured{}
	kind.SetGroupVersionKind(thingKind)
	must(control.NewControllerManagedBy(manager).Named(w.namespace).For(kind).Owns(&corev1.ConfigMap{}).Complete(&reconciler{manager.GetClient()}))
	stopped, stop := context.WithCancel(w)
	ended := make(chan error)
	go func() { ended <- manager.Start(stopped) }()
	client := w.dynamic.Resource(things).Namespace(w.namespace)
	_, err = client.Create(w, thing("a", map[string]any{}), metav1.CreateOptions{})
	must(err)
	seen := func() bool {
		found, err := client.Get(w, "a", metav1.GetOptions{})
		must(err)
		value, _, _ := unstructured.NestedString(found.Object, "status", "seen")
		return value == "yes"
	}
	w.until("status", seen)
	configMaps := w.client.CoreV1().ConfigMaps(w.namespace)
	child, err := configMaps.Get(w, "a", metav1.GetOptions{})
	say("child", child, err)
	must(configMaps.Delete(w, "a", metav1.DeleteOptions{}))
	w.until("child again", func() bool {
		again, err := configMaps.Get(w, "a", metav1.GetOptions{})
		return err == nil && again.UID != child.UID
	})
	must(client.Delete(w, "a", metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationForeground)}))
	w.until("no child", func() bool {
		_, err := configMaps.Get(w, "a", metav1.GetOptions{})
		return err != nil
	})
	w.until("gone", func() bool {
		_, err := client.Get(w, "a", metav1.GetOptions{})
		return err != nil
	})
	stop()
	say("the manager ended", nil, <-ended)
}

using System;
using System.Collections.Concurrent;
using System.Globalization;
using System.Reflection;
using System.Threading;
using Xunit.v3;

[assembly: NasHammer.Tests.TestWatchdog]

namespace NasHammer.Tests;

/// <summary>
/// Ends the test program when one test runs for too long, and names it: a hang must cost minutes, not the whole run,
/// and must say where. The limit is 300 seconds for each test or row of a theory, NASHAMMER_TEST_SECONDS changes it
/// (0: none). Compiled into every test program.
/// </summary>
[AttributeUsage(AttributeTargets.Assembly)]
sealed class TestWatchdogAttribute : BeforeAfterTestAttribute
{
    static readonly ConcurrentDictionary<string, long> s_running = new();
    static readonly long s_limitMs = 1000 * LimitSeconds();

    static TestWatchdogAttribute()
    {
        if (s_limitMs > 0) { new Thread(Watch) { IsBackground = true, Name = "test watchdog" }.Start(); }
    }

    public override void Before(MethodInfo methodUnderTest, IXunitTest test) =>
        s_running[test.UniqueID + ' ' + test.TestDisplayName] = Environment.TickCount64;

    public override void After(MethodInfo methodUnderTest, IXunitTest test) =>
        s_running.TryRemove(test.UniqueID + ' ' + test.TestDisplayName, out _);

    static long LimitSeconds()
    {
        string? text = Environment.GetEnvironmentVariable("NASHAMMER_TEST_SECONDS");
        return long.TryParse(text, CultureInfo.InvariantCulture, out long seconds) ? seconds : 300;
    }

    /// <summary>The engine's table of held locks, where the engine is a part of the program (debug builds only).
    /// </summary>
    static string Locks() => Type.GetType("NasCore.Primitives.HeldLocks, NasCore")
        ?.GetMethod("Describe")?.Invoke(null, null) as string ?? "";

    static void Watch()
    {
        using var never = new ManualResetEventSlim();
        while (!never.Wait(TimeSpan.FromSeconds(5)))
        {
            foreach ((string name, long since) in s_running)
            {
                if (Environment.TickCount64 - since <= s_limitMs) { continue; }
                string test = name[(name.IndexOf(' ', StringComparison.Ordinal) + 1)..];
                Environment.FailFast(
                    $"{test} runs for more than {s_limitMs / 1000} seconds: taken for a hang\n{Locks()}");
            }
        }
    }
}
